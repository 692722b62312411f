// `.pfs/` as a kernel sees it: numbers, sizes, snapshots that do not change under a reader, names on demand, removal.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Time } from "../../lib/time.ts";
import type { ControlDirectory, ControlFile, ControlNode } from "../../mount/control/control-node.ts";
import { CONTROL_NODEID, ControlNodes } from "../../mount/control/control-nodes.ts";
import { ControlTree } from "../../mount/control/control-tree.ts";
import { FixedDirectory } from "../../mount/control/fixed-directory.ts";
import { GeneratedFile, SnapshotContent } from "../../mount/control/generated-file.ts";
import type { KernelAttributes } from "../../mount/kernel/attributes.ts";
import { KernelView } from "../../mount/kernel-view.ts";
import { PfsError, PosixError } from "../../schema/errors.ts";
import { ALICE } from "../lib/book-fixture.ts";

const OPENING = { actor: ALICE, mayDefer: false };
const EPOCH: Time = { seconds: 1, nanoseconds: 2 };

/** A directory with any lower-case name, as `plan/` or `at/` are, from which names can be removed. */
class OnDemand implements ControlDirectory {
  readonly kind = "directory";
  readonly access = { uid: 70, gid: 80, permissions: 0o755 };
  readonly removed: string[] = [];

  mtime() {
    return EPOCH;
  }

  find(name: string): ControlNode | undefined {
    if (name === "why") throw new PfsError("NOT_FOUND", "There is no answer to why.");
    if (!/^[a-z]+$/.test(name) || this.removed.includes(name)) return undefined;
    return name.startsWith("dir") ? new OnDemand() : new GeneratedFile(() => `about ${name}`);
  }

  *list() {}

  remove(name: string) {
    this.removed.push(name);
  }
}

/** A file of which only opening tells the size. */
function unsized(text: () => string): ControlFile {
  return {
    kind: "file",
    look: () => ({ sizeBytes: undefined, mtime: EPOCH }),
    open: () => new SnapshotContent(Buffer.from(text()), EPOCH),
  };
}

function setup() {
  const state = { text: "one" };
  const demand = new OnDemand();
  const root = new FixedDirectory([
    ["sized", new GeneratedFile(() => state.text)],
    ["unsized", unsized(() => state.text)],
    ["demand", demand],
  ]);
  const tree = new ControlTree(root, { uid: 7, gid: 8 });
  const attributes: KernelAttributes = new KernelView().attributes;
  const find = (name: string, parent = CONTROL_NODEID): number => {
    const nodeid = tree.lookup(parent, name);
    assert.ok(nodeid !== undefined, name);
    tree.remember(nodeid);
    return nodeid;
  };
  const sizeOf = (nodeid: number): number => {
    tree.attributes(nodeid, attributes);
    return attributes.size;
  };
  return { state, demand, tree, attributes, find, sizeOf };
}

const isPosix = (code: string) => (error: unknown) => error instanceof PosixError && error.code === code;

function textOf({ content }: { content: { sizeBytes: number; read(at: number, into: Uint8Array): number } }) {
  const bytes = Buffer.alloc(content.sizeBytes);
  assert.equal(content.read(0, bytes), bytes.length);
  assert.equal(content.read(bytes.length, Buffer.alloc(1)), 0);
  return bytes.toString();
}

test("a node keeps its number while the kernel knows it, and is forgotten with the kernel's last lookup", () => {
  const { tree, find, attributes } = setup();
  const first = find("abc", find("demand"));
  assert.ok(first > CONTROL_NODEID && first < 2 ** 32);
  assert.equal(find("abc", find("demand")), first);
  assert.equal(tree.knownCount, 2);
  tree.attributes(first, attributes);
  const { ino } = attributes;
  tree.forget(first, 1);
  assert.equal(tree.knownCount, 2);
  tree.forget(first, 1);
  assert.equal(tree.knownCount, 1);
  assert.throws(() => tree.attributes(first, attributes), isPosix("ESTALE"));
  const again = find("abc", find("demand"));
  assert.notEqual(again, first, "a number is not given again");
  tree.attributes(again, attributes);
  assert.equal(attributes.ino, ino, "the inode number outlives that");
});

test("10,000 names that are looked at and forgotten leave nothing behind; `.pfs` itself is never forgotten", () => {
  const { tree, find, attributes } = setup();
  const demand = find("demand");
  const name = (index: number): string =>
    [...`${index}`].map((digit) => "abcdefghij"[Number(digit)]).join("");
  for (let index = 0; index < 10_000; index++) tree.forget(find(name(index), demand), 1);
  tree.forget(demand, 1);
  tree.forget(CONTROL_NODEID, 1000);
  assert.equal(tree.knownCount, 0);
  tree.attributes(CONTROL_NODEID, attributes);
  assert.equal(attributes.mode, 0o040555);
});

test("numbers start over below those of the book's files, around those that are in use", () => {
  const nodes = new ControlNodes(new OnDemand());
  const root = nodes.get(CONTROL_NODEID);
  assert.ok(root);
  const [kept, file] = [nodes.bind(root, "kept", new OnDemand()), new GeneratedFile(() => "")];
  nodes.remember(kept.nodeid);
  nodes.startOver();
  assert.deepEqual(
    ["a", "b"].map((name) => nodes.bind(root, name, file).nodeid),
    [kept.nodeid + 1, kept.nodeid + 2],
  );
});

test("a control file's size is that of its content, and it belongs to who mounted unless it says otherwise", () => {
  const { tree, attributes, find, sizeOf, state } = setup();
  const [sized, demand] = [find("sized"), find("demand")];
  state.text = "drei\n";
  assert.equal(sizeOf(sized), 5);
  assert.deepEqual([attributes.mode, attributes.uid, attributes.gid], [0o100444, 7, 8]);
  assert.equal(textOf(tree.open(sized, OPENING)), "drei\n");
  tree.attributes(demand, attributes);
  assert.deepEqual([attributes.mode, attributes.uid, attributes.gid], [0o040755, 70, 80]);
});

test("mtime moves with the bytes only", () => {
  const { attributes, find, sizeOf, state } = setup();
  const sized = find("sized");
  const timeOf = () => [sizeOf(sized), attributes.mtimeSeconds, attributes.mtimeNanoseconds];
  const before = timeOf();
  assert.deepEqual(timeOf(), before);
  state.text = "two";
  assert.notDeepEqual(timeOf(), before);
});

test("an open control file stays as it was; a later open that differs must not share its pages", () => {
  const { state, tree, attributes, find } = setup();
  const sized = find("sized");
  const first = tree.open(sized, OPENING);
  assert.equal(first.direct, false);
  assert.equal(tree.open(sized, OPENING).direct, false, "the same bytes");
  state.text = "fourteen";
  const second = tree.open(sized, OPENING);
  assert.equal(second.direct, true);
  assert.deepEqual([textOf(first), textOf(second)], ["one", "fourteen"]);
  tree.attributesOf(first, attributes);
  assert.equal(attributes.size, 3);
});

test("once the older handles are closed, pages may be shared again", () => {
  const { state, tree, find } = setup();
  const sized = find("sized");
  const first = tree.open(sized, OPENING);
  state.text = "two";
  tree.release(first);
  assert.equal(tree.open(sized, OPENING).direct, false);
});

test("a size that only opening tells: 1 before, read past the cache, then never less than what is open", () => {
  const { state, tree, find, sizeOf } = setup();
  const unknown = find("unsized");
  assert.equal(sizeOf(unknown), 1);
  const long = tree.open(unknown, OPENING);
  assert.equal(long.direct, true);
  assert.equal(sizeOf(unknown), 3);
  state.text = "a";
  const short = tree.open(unknown, OPENING);
  assert.equal(sizeOf(unknown), 3);
  tree.release(long);
  assert.equal(sizeOf(unknown), 1);
  tree.release(short);
  assert.equal(sizeOf(unknown), 1);
});

test("fstat of a file that shrank while somebody reads it is the reader's size, so that no bytes are missed", () => {
  const { state, tree, find, sizeOf } = setup();
  const sized = find("sized");
  const reader = tree.open(sized, OPENING);
  state.text = "";
  assert.equal(sizeOf(sized), 3);
  assert.equal(textOf(reader), "one");
});

test("removal: only where a directory allows it, only what is there, as file or directory", () => {
  const { tree, demand, find } = setup();
  const at = find("demand");
  assert.throws(() => tree.remove(CONTROL_NODEID, "sized", "file", ALICE), isPosix("EROFS"));
  assert.throws(() => tree.remove(CONTROL_NODEID, "none", "file", ALICE), isPosix("ENOENT"));
  assert.throws(() => tree.remove(at, "abc", "directory", ALICE), isPosix("ENOTDIR"));
  assert.throws(() => tree.remove(at, "dir", "file", ALICE), isPosix("EISDIR"));
  const known = find("abc", at);
  tree.remove(at, "abc", "file", ALICE);
  tree.remove(at, "dir", "directory", ALICE);
  assert.deepEqual(demand.removed, ["abc", "dir"]);
  assert.equal(tree.lookup(at, "abc"), undefined);
  demand.removed.length = 0;
  assert.notEqual(find("abc", at), known, "what comes later is another node");
});

test("names: unknown ones are absent, questions say why they have no answer, files have no names in them", () => {
  const { tree, find, attributes } = setup();
  assert.equal(tree.lookup(CONTROL_NODEID, "none"), undefined);
  const demand = find("demand");
  assert.throws(() => tree.lookup(demand, "why"), /no answer to why/);
  assert.equal(tree.pathOf(demand, "why"), ".pfs/demand/why");
  assert.throws(() => tree.lookup(find("sized"), "x"), isPosix("ENOTDIR"));
  assert.throws(() => tree.open(CONTROL_NODEID, OPENING), isPosix("EISDIR"));
  assert.throws(() => tree.attributes(99, attributes), isPosix("ESTALE"));
});

test("listing goes on where it stopped, with the inode numbers that stat(2) says", () => {
  const { tree, attributes, find } = setup();
  const all = [...tree.list(CONTROL_NODEID, 0)];
  assert.deepEqual(
    all.map(({ name, type }) => [name, type]),
    [
      ["sized", 8],
      ["unsized", 8],
      ["demand", 4],
    ],
  );
  for (const { name, ino } of all) {
    tree.attributes(find(name), attributes);
    assert.equal(attributes.ino, ino);
  }
  const rest = [...tree.list(CONTROL_NODEID, all[0]?.nextOffset ?? 0)];
  assert.deepEqual(
    rest.map(({ name }) => name),
    ["unsized", "demand"],
  );
  assert.deepEqual([...tree.list(CONTROL_NODEID, all[2]?.nextOffset ?? 0)], []);
  const deep = find("dir", find("demand"));
  tree.attributes(find("demand"), attributes);
  assert.equal(tree.inodes(deep).parent, attributes.ino);
  assert.deepEqual(tree.inodes(CONTROL_NODEID), { self: CONTROL_NODEID, parent: 1 });
});
