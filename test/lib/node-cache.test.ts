// Nodes that are remembered between two reads: never older than the last write, nor newer than what was committed.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ALICE, type BookFixture, withBook } from "./book-fixture.ts";

function setOwner(book: BookFixture, uid: number): void {
  book.worktree.setAttributes(book.node("x").fileId, { uid }, ALICE);
}

test("a node that was read is the same until something is written, then it is read anew", () => {
  withBook((book) => {
    book.write("x", "1");
    const found = book.node("x");
    const first = book.worktree.get(found.fileId);
    assert.deepEqual(first, found);
    assert.equal(book.worktree.get(found.fileId), first);
    setOwner(book, 5);
    const changed = book.worktree.get(found.fileId);
    assert.equal(changed?.uid, 5);
    assert.equal(book.worktree.get(found.fileId), changed);
    book.write("x", "12");
    assert.equal(book.worktree.get(found.fileId)?.size, 2);
    book.unlink("x");
    assert.equal(book.worktree.get(found.fileId), undefined);
  });
});

test("what is read within a transaction sees its writes, and is forgotten with them when it is undone", () => {
  withBook((book) => {
    book.write("x", "1");
    setOwner(book, 5);
    const { fileId } = book.node("x");
    const undoing = new Error("undo");
    assert.throws(
      () =>
        book.library.store.transaction(() => {
          assert.equal(book.worktree.get(fileId)?.uid, 5);
          setOwner(book, 6);
          assert.equal(book.worktree.get(fileId)?.uid, 6);
          throw undoing;
        }),
      undoing,
    );
    assert.equal(book.worktree.get(fileId)?.uid, 5);
  });
});

test("a directory that was read shows what is made in it, saved or not, and a name that was missed is there once it is made", () => {
  withBook((book) => {
    book.makeDirectory("d");
    const { fileId } = book.node("d");
    const mtime = (): bigint => {
      const node = book.worktree.get(fileId);
      assert.ok(node);
      return BigInt(node.mtimeSeconds) * 1_000_000_000n + BigInt(node.mtimeNanoseconds);
    };
    const before = mtime();
    assert.equal(mtime(), before);
    assert.equal(book.worktree.lookup(fileId, "x.md"), undefined);
    const file = book.create("d/x.md");
    const made = mtime();
    assert.ok(made > before);
    assert.equal(book.worktree.lookup(fileId, "x.md")?.fileId, file.fileId);
    file.write(0, Buffer.from("bytes"), ALICE);
    file.commit(ALICE, { durable: false });
    file.release(ALICE);
    assert.equal(mtime(), made);
    assert.equal(book.worktree.lookup(fileId, "x.md")?.size, 5);
    book.unlink("d/x.md");
    assert.equal(book.worktree.lookup(fileId, "x.md"), undefined);
    assert.ok(mtime() > made);
  });
});

test("more files than are remembered are all found", () => {
  withBook((book) => {
    const names = Array.from({ length: 2500 }, (_, index) => `${index}.md`);
    book.library.store.transaction(() => {
      for (const name of names) book.write(name, name);
    });
    const nodes = names.map((name) => book.node(name));
    for (const node of nodes) assert.equal(book.worktree.get(node.fileId)?.name, node.name);
  });
});
