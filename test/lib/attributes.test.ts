// Attributes and times: what the book keeps is logged, the rest is this machine's; what stat(2) says stays true.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Node } from "../../lib/node.ts";
import { FileType } from "../../lib/node.ts";
import { ALICE, type BookFixture, closing, withBook } from "./book-fixture.ts";
import { assertSound } from "./soundness.ts";

const TIME = { seconds: 1_500_000_000, nanoseconds: 123_456_789 };

function timesOf({ mtimeSeconds, mtimeNanoseconds, ctimeSeconds, ctimeNanoseconds }: Node): number[] {
  return [mtimeSeconds, mtimeNanoseconds, ctimeSeconds, ctimeNanoseconds];
}

function mtimeOf(node: Node): number[] {
  return timesOf(node).slice(0, 2);
}

function isLater(node: Node, than: Node): boolean {
  const [seconds = 0, nanoseconds = 0] = mtimeOf(node);
  const [thanSeconds = 0, thanNanoseconds = 0] = mtimeOf(than);
  return seconds > thanSeconds || (seconds === thanSeconds && nanoseconds > thanNanoseconds);
}

function change(
  book: BookFixture,
  path: string,
  attributes: Parameters<BookFixture["worktree"]["setAttributes"]>[1],
): Node {
  return book.worktree.setAttributes(book.node(path).fileId, attributes, ALICE);
}

test("the executable bit and the time are the book's and logged; owner and other bits are not", () => {
  withBook((book) => {
    book.write("x", "1");
    change(book, "x", { mode: 0o755 });
    change(book, "x", { mtime: TIME });
    const seq = book.library.log.seq;
    change(book, "x", { mode: 0o700, uid: 5, gid: 6 });
    change(book, "x", { atime: TIME });
    assert.deepEqual(book.story(), ["create x", "attributes x", "attributes x"]);
    assert.equal(book.library.log.seq, seq);
    book.reopen();
    const node = book.node("x");
    assert.deepEqual([node.mode, node.uid, node.gid], [FileType.file | 0o700, 5, 6]);
    assert.deepEqual(mtimeOf(node), [TIME.seconds, TIME.nanoseconds]);
    assert.deepEqual([node.atimeSeconds, node.atimeNanoseconds], [TIME.seconds, TIME.nanoseconds]);
    assertSound(book.library);
  });
});

test("what fstat(2) said before close is what stat(2) says after it, after a release and after a restart", () => {
  withBook((book) => {
    const file = book.create("x");
    file.write(0, Buffer.from("1"), ALICE);
    const before = timesOf(file.node());
    file.commit(ALICE, { durable: false });
    assert.deepEqual(timesOf(book.node("x")), before);
    file.release(ALICE);
    assert.deepEqual(timesOf(book.node("x")), before);
    book.reopen();
    assert.deepEqual(timesOf(book.node("x")), before);
  });
});

test("a rename changes the ctime of the file itself, open or not, and of none below a directory", () => {
  withBook((book) => {
    book.makeDirectory("d");
    book.write("d/x", "1");
    const before = timesOf(book.node("d/x"));
    book.rename("d", "e");
    assert.deepEqual(timesOf(book.node("e/x")), before);
    const file = book.open("e/x");
    book.rename("e/x", "e/y");
    const after = timesOf(file.node());
    assert.notDeepEqual(after, before);
    assert.deepEqual(after.slice(0, 2), before.slice(0, 2), "mtime stays");
    file.release(ALICE);
    assert.deepEqual(timesOf(book.node("e/y")), after);
    assertSound(book.library);
  });
});

test("the mode of a file that is being written is saved at once, its time with the bytes", () => {
  withBook((book) => {
    book.write("x", "1");
    const file = book.open("x");
    file.write(0, Buffer.from("2"), ALICE);
    change(book, "x", { mode: 0o755 });
    change(book, "x", { mtime: TIME });
    assert.deepEqual(book.story(), ["create x", "attributes x"]);
    closing(file, ALICE, () => {});
    assert.deepEqual(book.story(2), ["update x"]);
    assert.deepEqual(mtimeOf(book.node("x")), [TIME.seconds, TIME.nanoseconds]);
    assert.equal(book.node("x").mode & 0o777, 0o755);
    assertSound(book.library);
  });
});

test("a write after the time was set moves it again", () => {
  withBook((book) => {
    const file = book.create("x");
    closing(file, ALICE, () => {
      change(book, "x", { mtime: TIME });
      file.write(0, Buffer.from("2"), ALICE);
    });
    assert.ok(book.node("x").mtimeSeconds > TIME.seconds);
  });
});

test("cp -p of a new file is one create with its mode, owner and time", () => {
  withBook((book) => {
    const file = book.create("x", ALICE, 0o600);
    closing(file, ALICE, () => {
      file.write(0, Buffer.from("2"), ALICE);
      change(book, "x", { mtime: TIME, atime: TIME });
      change(book, "x", { uid: 5, gid: 6 });
      change(book, "x", { mode: 0o4751 });
    });
    assert.deepEqual(book.story(), ["create x"]);
    book.reopen();
    const node = book.node("x");
    assert.deepEqual([node.mode, node.uid, node.gid], [FileType.file | 0o4751, 5, 6]);
    assert.deepEqual(mtimeOf(node), [TIME.seconds, TIME.nanoseconds]);
    assertSound(book.library);
  });
});

test("a directory's time moves with its names, at once, and stays through a save and a restart", () => {
  withBook((book) => {
    book.makeDirectory("d");
    let last = book.node("d");
    const assertMoved = (what: string) => {
      const node = book.node("d");
      assert.ok(isLater(node, last), what);
      last = node;
    };
    const file = book.create("d/a");
    assertMoved("create");
    book.makeDirectory("d/e");
    assertMoved("mkdir while another file is not saved");
    closing(file, ALICE, () => {});
    assert.deepEqual(mtimeOf(book.node("d")), mtimeOf(last), "a save changes no name");
    book.rename("d/a", "d/b");
    assertMoved("rename");
    const unsaved = book.create("d/c");
    assertMoved("create");
    book.unlink("d/c");
    assertMoved("unlink of what was never saved");
    unsaved.release(ALICE);
    book.unlink("d/b");
    assertMoved("unlink");
    book.create("d/f").release(ALICE);
    assertMoved("create and save");
    change(book, "d", { mtime: TIME });
    assert.deepEqual(mtimeOf(book.node("d")), [TIME.seconds, TIME.nanoseconds]);
    book.reopen();
    assert.deepEqual(mtimeOf(book.node("d")), [TIME.seconds, TIME.nanoseconds]);
    assertSound(book.library);
  });
});

test("set-group-id directories hand down their group", () => {
  withBook((book) => {
    book.makeDirectory("d");
    change(book, "d", { gid: 77, mode: 0o2775 });
    book.write("d/x", "1");
    book.makeDirectory("d/e");
    assert.equal(book.node("d/x").gid, 77);
    assert.deepEqual([book.node("d/e").gid, book.node("d/e").mode & 0o2000], [77, 0o2000]);
  });
});

test("extended attributes: kept on this machine through saves, renames and restarts, gone with the file", () => {
  withBook((book) => {
    book.write("x", "1");
    const { worktree } = book;
    const { fileId } = book.node("x");
    const set = (flags: { create: boolean; replace: boolean }) =>
      worktree.setXattr(fileId, "user.tag", Buffer.from("v"), flags, ALICE);
    assert.throws(() => set({ create: false, replace: true }), /ENODATA/);
    set({ create: true, replace: false });
    assert.throws(() => set({ create: true, replace: false }), /EEXIST/);
    book.write("x", "2");
    book.rename("x", "y");
    book.reopen();
    assert.deepEqual(book.worktree.listXattrs(fileId), ["user.tag"]);
    assert.deepEqual(book.story(), ["create x", "update x", "rename x", "rename y"]);
    const file = book.open("y");
    const [identity] = book.unlink("y");
    assert.throws(
      () =>
        book.worktree.setXattr(
          identity?.to as typeof fileId,
          "user.tag",
          Buffer.from("v"),
          { create: false, replace: false },
          ALICE,
        ),
      /EOPNOTSUPP/,
    );
    file.release(ALICE);
    book.settle();
    assertSound(book.library);
  });
});
