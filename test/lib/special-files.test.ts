// Fifos, sockets and symlinks: where they live, and what renames over and of them do.

import assert from "node:assert/strict";
import { test } from "node:test";
import { FileType } from "../../lib/node.ts";
import { ALICE, type BookFixture, contentOf, EXCHANGE, withBook } from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

function makeFifo(book: BookFixture, path: string): void {
  const { parent, name } = book.spot(path);
  book.worktree.makeNode(parent, name, FileType.fifo | 0o600, ALICE);
}

function typeOf(book: BookFixture, path: string): number {
  return book.node(path).mode & FileType.mask;
}

test("a fifo is this machine's: renamed over a lesson it deletes it, exchanged it renames it", () => {
  withBook((book) => {
    book.write("x", "1");
    book.write("y", "2");
    const { fileId } = book.node("y");
    makeFifo(book, "fifo");
    book.rename("fifo", "x");
    book.settle();
    assert.deepEqual(book.story(2), ["delete x"]);
    assert.equal(typeOf(book, "x"), FileType.fifo);
    book.rename("x", "y", EXCHANGE);
    assert.equal(book.node("x").fileId, fileId);
    assert.equal(typeOf(book, "y"), FileType.fifo);
    assert.deepEqual(book.story(3), ["rename y", "rename x"]);
    book.rename("x", "y");
    assert.equal(book.text("y"), "2");
    assertSound(book.library);
    book.reopen();
    assert.equal(book.text("y"), "2");
    assertAtRest(book.library);
  });
});

test("a fifo and scratch change places", () => {
  withBook((book) => {
    makeFifo(book, "fifo");
    book.write("x~", "1");
    book.rename("fifo", "x~", EXCHANGE);
    assert.equal(typeOf(book, "x~"), FileType.fifo);
    assert.equal(book.text("fifo"), "1");
    assert.throws(() => book.open("x~"), /ENXIO/);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("a symlink of the book is versioned by its target, as in git", () => {
  withBook((book) => {
    book.symlink("one", "x");
    const { fileId, size } = book.node("x");
    assert.equal(size, 3);
    book.symlink("three", "x.tmp");
    book.worktree.setAttributes(book.node("x.tmp").fileId, { uid: 5, gid: 6 }, ALICE);
    const { mtimeSeconds, mtimeNanoseconds } = book.node("x.tmp");
    book.rename("x.tmp", "x");
    const renamed = book.node("x");
    assert.deepEqual([renamed.uid, renamed.gid], [5, 6]);
    assert.deepEqual([renamed.mtimeSeconds, renamed.mtimeNanoseconds], [mtimeSeconds, mtimeNanoseconds]);
    assert.equal(book.node("x").fileId, fileId);
    assert.equal(Buffer.from(book.worktree.readSymlink(fileId)).toString(), "three");
    assert.deepEqual(book.story(), ["create x", "update x"]);
    book.rename("x", "x~");
    assert.equal(typeOf(book, "x~"), FileType.symlink);
    assert.equal(Buffer.from(book.worktree.readSymlink(book.node("x~").fileId)).toString(), "three");
    book.rename("x~", "y");
    book.settle();
    assert.deepEqual(book.story(2), ["create y", "delete x"]);
    assert.throws(() => book.worktree.readSymlink(book.worktree.rootId), /EINVAL/);
    assertSound(book.library);
  });
});

test("a symlink renamed over an open lesson and over one that is being created", () => {
  withBook((book) => {
    book.write("x", "old");
    book.worktree.setAttributes(book.node("x").fileId, { mode: 0o600 }, ALICE);
    const old = book.open("x");
    book.symlink("target", "x.tmp");
    book.rename("x.tmp", "x");
    assert.equal(book.node("x").mode, FileType.symlink | 0o777);
    assert.equal(contentOf(old).toString(), "old");
    old.release(ALICE);
    const young = book.create("y");
    book.symlink("target", "y.tmp");
    book.rename("y.tmp", "y");
    assert.equal(typeOf(book, "y"), FileType.symlink);
    young.release(ALICE);
    assert.deepEqual(book.story(1), ["update x", "create y"]);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("a hard-linked symlink of scratch stays where its other name is", () => {
  withBook((book) => {
    book.symlink("target", "x.tmp");
    book.link("x.tmp", "y.tmp");
    assert.deepEqual(book.rename("x.tmp", "x"), []);
    assert.equal(Buffer.from(book.worktree.readSymlink(book.node("y.tmp").fileId)).toString(), "target");
    assert.equal(book.node("y.tmp").nlink, 1);
    assert.notEqual(book.node("x").fileId, book.node("y.tmp").fileId);
    assertSound(book.library);
  });
});
