// What a user's overlay shows, keeps and gives up; what the base's changes do to it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Actor, Change } from "../../lib/node.ts";
import { listOverlays } from "../../lib/overlays.ts";
import { StoreReader } from "../../lib/reader.ts";
import { PfsError, PosixError } from "../../schema/errors.ts";
import { BASE, parseUserId } from "../../schema/ids.ts";
import {
  ALICE,
  actorNamed,
  BOOK,
  BookFixture,
  closing,
  contentOf,
  EXCHANGE,
  layerOf,
} from "./book-fixture.ts";
import { OVERLAY_USER as U, withOverlay } from "./overlay-fixture.ts";

const V = parseUserId("bob");
const HIDES: Actor = { ...actorNamed("alice", { mount: "hides" }), hidesBase: true };

const refused = (code: string) => (error: unknown) => error instanceof PfsError && error.code === code;
const posix = (code: string) => (error: unknown) => error instanceof PosixError && error.code === code;
const userRows = (book: BookFixture) =>
  book
    .log()
    .filter((row) => row.user_id === U)
    .map((row) => `${row.operation} ${row.path}`);

test("R5: a user sees the base, changes only the overlay, and nobody else's", () =>
  withOverlay((base, alice) => {
    const bob = layerOf(base, V);
    assert.deepEqual(alice.list("part/one"), base.list("part/one"));
    alice.write("part/one/a.md", "alice's a");
    bob.write("part/one/a.md", "bob's a");
    alice.write("part/one/mine.md", "new");
    assert.equal(alice.text("part/one/a.md"), "alice's a");
    assert.equal(bob.text("part/one/a.md"), "bob's a");
    assert.equal(base.text("part/one/a.md"), "base a");
    assert.deepEqual(base.list("part/one").sort(), ["a.md", "b.md"]);
    assert.deepEqual(bob.list("part/one").sort(), ["a.md", "b.md"]);
    assert.deepEqual(alice.list("part/one").sort(), ["a.md", "b.md", "mine.md"]);
  }));

test("W1: where the base has removed a file a moment ago a user makes another one, whatever becomes of the base's", () => {
  for (const comesBack of [false, true])
    withOverlay((base, alice) => {
      base.unlink("part/one/a.md");
      alice.write("part/one/a.md", "alice's");
      if (comesBack) base.write("part/one/a.md", "the base's anew");
      base.settle();
      assert.equal(alice.text("part/one/a.md"), "alice's");
      assert.deepEqual(alice.list("part/one").sort(), ["a.md", "b.md"]);
      assert.deepEqual(base.list("part/one").sort(), comesBack ? ["a.md", "b.md"] : ["b.md"]);
      assert.notEqual(alice.node("part/one/a.md").fileId, base.find("part/one/a.md")?.fileId);
    });
});

test("W2: a draft of a file that the base has removed is a conflict where the user has made another file meanwhile", () =>
  withOverlay((base, alice) => {
    const old = alice.open("part/one/a.md");
    old.write(0, Buffer.from("draft"), ALICE);
    base.unlink("part/one/a.md");
    const made = alice.create("part/one/a.md");
    made.write(0, Buffer.from("made"), ALICE);
    assert.throws(() => old.commit(ALICE, { durable: false }), refused("CONFLICT"));
    old.release(ALICE);
    assert.deepEqual(alice.list("part/one").sort(), ["a.md", "b.md"]);
    assert.equal(made.commit(ALICE, { durable: false }), "committed");
    made.release(ALICE);
    assert.equal(alice.text("part/one/a.md"), "made");
  }));

test("I1, FR-016: copy-up keeps inode, mode, owner and attributes; a first write of nothing new copies nothing", () =>
  withOverlay((base, alice) => {
    const { fileId } = base.node("part/one/a.md");
    base.worktree.setAttributes(fileId, { mode: 0o640, uid: 77 }, ALICE);
    base.worktree.setXattr(fileId, "user.note", Buffer.from("x"), { create: false, replace: false }, ALICE);
    const before = base.node("part/one/a.md");
    alice.append("part/one/a.md", "!");
    const after = alice.node("part/one/a.md");
    assert.deepEqual([after.fileId, after.mode, after.uid], [before.fileId, before.mode, before.uid]);
    assert.equal(Buffer.from(alice.worktree.getXattr(fileId, "user.note") ?? "").toString(), "x");
    assert.deepEqual(base.node("part/one/a.md"), before);
    const seq = base.library.log.seq;
    const file = alice.open("part/one/b.md");
    closing(file, ALICE, () => undefined);
    assert.equal(base.library.log.seq, seq);
  }));

test("R5: attributes that a user sets on what is shared are the user's alone", () =>
  withOverlay((base, alice) => {
    const { fileId } = alice.node("part/one/b.md");
    alice.worktree.setAttributes(fileId, { mode: 0o600, uid: 5 }, ALICE);
    alice.worktree.setXattr(fileId, "user.mine", Buffer.from("1"), { create: false, replace: false }, ALICE);
    const directory = alice.node("part/one").fileId;
    alice.worktree.setAttributes(directory, { mode: 0o700 }, ALICE);
    assert.equal(alice.node("part/one/b.md").mode & 0o777, 0o600);
    assert.equal(alice.node("part/one").mode & 0o777, 0o700);
    assert.equal(base.node("part/one/b.md").mode & 0o777, 0o644);
    assert.equal(base.node("part/one").mode & 0o777, 0o755);
    assert.deepEqual(base.worktree.listXattrs(fileId), []);
    assert.equal(base.node("part/one/b.md").uid, 1000);
    base.worktree.setXattr(fileId, "user.base", Buffer.from("2"), { create: false, replace: false }, ALICE);
    assert.deepEqual(alice.worktree.listXattrs(fileId), ["user.base", "user.mine"]);
    alice.worktree.removeXattr(fileId, "user.base", ALICE);
    assert.deepEqual(alice.worktree.listXattrs(fileId), ["user.mine"]);
    assert.deepEqual(base.worktree.listXattrs(fileId), ["user.base"]);
  }));

test("FR-019: removing an overlay's version shows the base again at once; what is the base's alone stays", () =>
  withOverlay((base, alice) => {
    alice.write("part/one/a.md", "alice's a");
    alice.unlink("part/one/a.md");
    assert.equal(alice.text("part/one/a.md"), "base a");
    assert.throws(() => alice.unlink("part/one/a.md"), refused("NOT_PERMITTED"));
    assert.throws(() => alice.rename("part/one/a.md", "part/one/z.md"), refused("NOT_PERMITTED"));
    assert.throws(() => alice.rename("part/one", "part/three"), refused("NOT_PERMITTED"));
    assert.throws(() => alice.rename("part/one/a.md", "part/one/b.md", EXCHANGE), refused("NOT_PERMITTED"));
    alice.makeDirectory("part/empty");
    alice.removeDirectory("part/empty");
    base.makeDirectory("part/bare");
    assert.throws(() => alice.removeDirectory("part/bare"), refused("NOT_PERMITTED"));
    assert.throws(() => alice.removeDirectory("part/one"), posix("ENOTEMPTY"));
    alice.write("part/one/own.md", "x");
    alice.rename("part/one/own.md", "part/two/own.md");
    alice.unlink("part/two/own.md");
    alice.settle();
    assert.deepEqual(alice.list("part/two"), ["c.md"]);
    const rows = base.log().filter((row) => row.user_id === U && row.status === "refused");
    assert.deepEqual(new Set(rows.map((row) => row.operation)), new Set(["delete", "rename"]));
  }));

test("an editor's backup dance in an overlay is one version; without the second half the base shows again", () =>
  withOverlay((base, alice) => {
    alice.rename("part/one/a.md", "part/one/a.md~");
    assert.equal(alice.find("part/one/a.md"), undefined);
    alice.write("part/one/a.md", "saved by an editor");
    alice.unlink("part/one/a.md~");
    alice.settle();
    assert.deepEqual(userRows(base), ["create part/one/a.md"]);
    assert.equal(alice.node("part/one/a.md").fileId, base.node("part/one/a.md").fileId);
    const told: Change[] = [];
    const stop = alice.worktree.onChange((change, origin) => {
      if (origin === undefined) told.push(change);
    });
    alice.rename("part/one/b.md", "part/one/b.md~");
    assert.equal(alice.find("part/one/b.md"), undefined);
    alice.settle();
    stop();
    assert.equal(alice.text("part/one/b.md"), "base b");
    assert.ok(
      told.some((change) => change.type === "entry" && change.name === "b.md"),
      "the kernel is told",
    );
    assert.deepEqual(alice.list("part/one").sort(), ["a.md", "b.md", "b.md~"]);
    assert.deepEqual(base.list("part/one").sort(), ["a.md", "b.md"]);
  }));

test("delete=hide: each of the base's files that a user removes is a row of the log, with its directory, too", () =>
  withOverlay((base, alice) => {
    for (const path of ["part/one/a.md", "part/one/b.md"]) alice.unlink(path, HIDES);
    alice.removeDirectory("part/one", HIDES);
    alice.settle();
    assert.deepEqual(alice.list("part"), ["two"]);
    assert.deepEqual(userRows(base).sort(), ["hide part/one/a.md", "hide part/one/b.md"]);
    assert.deepEqual(base.list("part").sort(), ["one", "two"]);
    base.write("part/one/later.md", "x");
    assert.deepEqual(alice.list("part"), ["two"], "what comes to a hidden directory is hidden");
    alice.makeDirectory("part/one", HIDES);
    assert.deepEqual(alice.list("part/one"), [], "another one in its place is empty");
  }));

test("C1: what changes in the base shows at once where there is no overlay, in open files, too", () =>
  withOverlay((base, alice) => {
    alice.write("part/one/a.md", "alice's a");
    const open = alice.open("part/one/b.md");
    try {
      const told: Change[] = [];
      const stop = alice.worktree.onChange((change) => told.push(change));
      base.write("part/one/a.md", "newer a");
      assert.deepEqual(
        told.filter(({ type }) => type === "content"),
        [],
        "the overlay's version is not touched",
      );
      base.write("part/one/b.md", "newer b");
      stop();
      assert.equal(alice.text("part/one/a.md"), "alice's a");
      assert.equal(contentOf(open).toString(), "newer b");
      const { fileId } = base.node("part/one/b.md");
      assert.ok(told.some((change) => change.type === "content" && change.fileId === fileId));
    } finally {
      open.release(ALICE);
    }
  }));

test("the executable bit of a file that only the base has is the base's, the other bits are those that the user has set", () =>
  withOverlay((base, alice) => {
    const modeOf = (book: BookFixture, path: string) => book.node(path).mode & 0o7777;
    const set = (book: BookFixture, path: string, mode: number) =>
      book.worktree.setAttributes(book.node(path).fileId, { mode }, ALICE);
    set(alice, "part/one/a.md", 0o640);
    set(base, "part/one/a.md", 0o755);
    assert.equal(modeOf(alice, "part/one/a.md"), 0o750);
    set(base, "part/one/a.md", 0o644);
    assert.equal(modeOf(alice, "part/one/a.md"), 0o640);
    set(alice, "part/one/a.md", 0o700);
    assert.equal(alice.node("part/one/a.md").mode & 0o100, 0o100);
    set(base, "part/one/a.md", 0o755);
    set(base, "part/one/a.md", 0o644);
    assert.equal(modeOf(alice, "part/one/a.md"), 0o700, "a version of the own");
  }));

test("W1: a draft of the base's file is refused once the base has moved on, and its bytes are kept", () =>
  withOverlay((base, alice) => {
    const file = alice.open("part/one/b.md");
    try {
      file.write(0, Buffer.from("ALICE"), ALICE);
      base.write("part/one/b.md", "newer b");
      assert.throws(() => file.commit(ALICE, { durable: false }), refused("CONFLICT"));
    } finally {
      file.release(ALICE);
    }
    assert.equal(alice.text("part/one/b.md"), "newer b");
    const [id, ...more] = alice.worktree.conflicts.ids(0);
    assert.deepEqual(more, []);
    assert.equal(alice.worktree.conflicts.get(id as number)?.path, "part/one/b.md");
    assert.equal(base.worktree.conflicts.count, 0, "R5: it is the user's");
  }));

test("I1: an overlay's version follows its file to the new name that the base gives it; an open file, too", () =>
  withOverlay((base, alice) => {
    alice.write("part/one/a.md", "alice's a");
    alice.write("part/one/extra.md", "alice's own");
    const open = alice.open("part/one/b.md");
    try {
      base.rename("part/one/b.md", "part/two/b2.md");
      base.rename("part", "chapter");
      base.rename("chapter/one", "chapter/first");
      assert.equal(alice.text("chapter/first/a.md"), "alice's a");
      assert.equal(alice.text("chapter/first/extra.md"), "alice's own");
      closing(alice.open("chapter/two/b2.md"), ALICE, () => open.write(0, Buffer.from("ALICE"), ALICE));
      assert.equal(alice.text("chapter/two/b2.md"), "ALICEb");
      assert.equal(base.text("chapter/two/b2.md"), "base b");
    } finally {
      open.release(ALICE);
    }
    const moved = base.log().filter((row) => row.user_id === U && row.operation === "rename");
    assert.equal(moved.length, 8, "each of the overlay's files has its two rows for each rename");
  }));

test("what an overlay has in a directory stays when the base removes it, and what is the base's goes", () =>
  withOverlay((base, alice) => {
    alice.write("part/two/own.md", "mine");
    alice.write("part/two/c.md", "alice's c");
    base.unlink("part/two/c.md");
    base.settle();
    base.removeDirectory("part/two");
    assert.deepEqual(base.list("part"), ["one"]);
    assert.deepEqual(alice.list("part/two").sort(), ["c.md", "own.md"]);
    assert.equal(alice.text("part/two/c.md"), "alice's c");
    base.makeDirectory("part/two");
    base.write("part/two/d.md", "another chapter");
    assert.deepEqual(alice.list("part/two").sort(), ["c.md", "own.md"]);
    alice.worktree.revert(["part/two"], ALICE);
    assert.deepEqual(alice.list("part/two"), ["d.md"]);
  }));

test("I1: what an overlay copied up keeps its extended attributes when the base deletes its file", () =>
  withOverlay((base, alice) => {
    const { fileId } = base.node("part/one/a.md");
    base.worktree.setXattr(fileId, "user.note", Buffer.from("x"), { create: false, replace: false }, ALICE);
    alice.write("part/one/a.md", "alice's a");
    base.unlink("part/one/a.md");
    base.settle();
    assert.equal(Buffer.from(alice.worktree.getXattr(fileId, "user.note") ?? "").toString(), "x");
  }));

test("delete=hide: another directory that the base makes in place of a hidden one shows, as another file does", () =>
  withOverlay((base, alice) => {
    base.makeDirectory("part/bare");
    alice.removeDirectory("part/bare", HIDES);
    base.removeDirectory("part/bare");
    base.makeDirectory("part/bare");
    base.write("part/bare/new.md", "new");
    assert.deepEqual(alice.list("part/bare"), ["new.md"]);
    alice.unlink("part/two/c.md", HIDES);
    alice.settle();
    base.unlink("part/two/c.md");
    base.settle();
    base.write("part/two/c.md", "another c");
    assert.equal(alice.text("part/two/c.md"), "another c");
  }));

test("overlays outlive a restart, and what a killed daemon left undecided in one is settled", () =>
  withOverlay((base, alice) => {
    alice.write("part/one/a.md", "alice's a");
    alice.unlink("part/one/b.md", HIDES);
    // The store is opened anew without anything having been settled.
    base.library.store.close();
    base.library = new BookFixture(base.directory, {}).library;
    base.worktree = base.library.worktree(BOOK);
    base.library.settleLeftOverlays();
    assert.deepEqual(
      base.library.openWorktrees().map(({ tree }) => tree.layer),
      [BASE],
    );
    const again = layerOf(base, U);
    assert.equal(again.text("part/one/a.md"), "alice's a");
    assert.deepEqual(again.list("part/one"), ["a.md"]);
    const reader = StoreReader.openBeside(base.directory);
    try {
      const [summary, ...more] = listOverlays(reader, BOOK);
      assert.deepEqual(more, []);
      assert.deepEqual(
        { ...summary, last_change: "" },
        { user: U, changed: 1, added: 0, hidden: 1, bytes: 9, last_change: "" },
      );
    } finally {
      reader.close();
    }
  }));

test("an overlay that nobody uses is forgotten in memory, not before its files are closed", () =>
  withOverlay((base, alice) => {
    const { worktree } = alice;
    const open = alice.open("part/one/a.md");
    assert.equal(base.library.closeOverlay(worktree), false);
    open.release(ALICE);
    assert.equal(base.library.closeOverlay(base.worktree), false, "the base stays");
    assert.equal(base.library.closeOverlay(worktree), true);
    assert.equal(base.worktree.tree.overlays.size, 0);
  }));

test("W2: a file that is being made in an overlay is saved although the base removes or replaces its directory", () =>
  withOverlay((base, alice) => {
    base.makeDirectories("part/empty");
    base.makeDirectories("part/replaced");
    const files = ["part/empty/x.md", "part/replaced/y.md"].map((path) => alice.create(path));
    base.removeDirectory("part/empty");
    base.rename("part/two", "part/replaced");
    for (const file of files) closing(file, ALICE, () => file.write(0, Buffer.from("mine"), ALICE));
    assert.equal(alice.text("part/empty/x.md"), "mine");
    assert.equal(alice.text("part/replaced/y.md"), "mine");
    assert.deepEqual(base.list("part").sort(), ["one", "replaced"]);
  }));
