// The control files: fixed numbers, right sizes, snapshots that do not change under a reader.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ControlTree } from "../../mount/control/control-tree.ts";
import type { KernelAttributes } from "../../mount/kernel/attributes.ts";
import { KernelView } from "../../mount/kernel-view.ts";
import { PosixError } from "../../schema/errors.ts";

function setup() {
  const state = { seq: 1, refusals: [] as object[] };
  const source = { status: () => ({ seq: state.seq }), refusals: () => state.refusals };
  const tree = new ControlTree(source, { uid: 7, gid: 8 });
  const attributes: KernelAttributes = new KernelView().attributes;
  return { state, tree, attributes };
}

test("control files have numbers that never change, below those of the book's files", () => {
  const { tree } = setup();
  const numbers = ["README", "status.json", "errors.jsonl"].map((name) => tree.lookup(name));
  assert.deepEqual(numbers, [3, 4, 5]);
  assert.equal(tree.lookup("manifest"), undefined);
});

test("a control file's size is that of its content, and it belongs to who mounted", () => {
  const { state, tree, attributes } = setup();
  state.refusals = [{ code: "SCHEMA_VIOLATION" }, { code: "CONFLICT" }];
  tree.attributes(5, attributes);
  assert.equal(attributes.size, '{"code":"SCHEMA_VIOLATION"}\n{"code":"CONFLICT"}\n'.length);
  assert.equal(attributes.mode, 0o100444);
  assert.deepEqual([attributes.uid, attributes.gid], [7, 8]);
  assert.equal(
    tree.open(5).snapshot.content.toString(),
    '{"code":"SCHEMA_VIOLATION"}\n{"code":"CONFLICT"}\n',
  );
});

test("an open control file stays as it was; a later open that differs must not share its pages", () => {
  const { state, tree, attributes } = setup();
  const first = tree.open(4);
  assert.equal(first.mixed, false);
  assert.equal(tree.open(4).mixed, false, "the same bytes");
  state.seq = 12345;
  const second = tree.open(4);
  assert.equal(second.mixed, true);
  assert.deepEqual(JSON.parse(first.snapshot.content.toString()), { seq: 1 });
  assert.deepEqual(JSON.parse(second.snapshot.content.toString()), { seq: 12345 });
  tree.attributesOf(first.snapshot, attributes);
  assert.equal(attributes.size, first.snapshot.content.length);
});

test("once the older handles are closed, pages may be shared again", () => {
  const { state, tree } = setup();
  const first = tree.open(4);
  state.seq = 2;
  tree.release(first.snapshot);
  assert.equal(tree.open(4).mixed, false);
});

test("unknown control nodes are ESTALE, the directory is no file", () => {
  const { tree, attributes } = setup();
  assert.throws(
    () => tree.attributes(99, attributes),
    (error) => error instanceof PosixError && error.code === "ESTALE",
  );
  assert.throws(
    () => tree.open(2),
    (error) => error instanceof PosixError && error.code === "EISDIR",
  );
});

test("listing goes on where it stopped", () => {
  const { tree } = setup();
  const all = [...tree.list(0)];
  assert.deepEqual(
    all.map(({ name, ino }) => [name, ino]),
    [
      ["README", 3],
      ["status.json", 4],
      ["errors.jsonl", 5],
    ],
  );
  const rest = [...tree.list(all[0]?.nextOffset ?? 0)];
  assert.deepEqual(
    rest.map(({ name }) => name),
    ["status.json", "errors.jsonl"],
  );
  assert.deepEqual([...tree.list(all[2]?.nextOffset ?? 0)], []);
});
