// Files of a book: create, save, read, truncate, unlink; what the log and the journal say of each.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ALICE, closing, contentOf, withBook } from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

test("FR-005: a first save is a create, the next an update; the file id stays (I1)", () => {
  withBook((book) => {
    book.write("a.md", "one");
    const { fileId } = book.node("a.md");
    book.write("a.md", "two");
    assert.deepEqual(book.story(), ["create a.md", "update a.md"]);
    assert.equal(book.node("a.md").fileId, fileId);
    book.reopen();
    assert.equal(book.node("a.md").fileId, fileId);
    assert.equal(book.text("a.md"), "two");
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("a file that is created and not yet saved is listed, found, and not in the journal", () => {
  withBook((book) => {
    const file = book.create("a.md");
    file.write(0, Buffer.from("x"), ALICE);
    assert.deepEqual(book.list(""), ["a.md"]);
    assert.equal(book.node("a.md").tracked, false);
    assert.deepEqual(book.story(), []);
    closing(file, ALICE, () => {});
    assert.equal(book.node("a.md").tracked, true);
    assertSound(book.library);
  });
});

test("an unlinked open file stays readable and writable, and commits nothing", () => {
  withBook((book) => {
    book.write("a.md", "one");
    const file = book.open("a.md");
    const [identity] = book.unlink("a.md");
    assert.equal(file.fileId, identity?.to);
    file.write(3, Buffer.from("!"), ALICE);
    assert.equal(contentOf(file).toString(), "one!");
    assert.equal(file.commit(ALICE, { durable: true }), "unchanged");
    file.release(ALICE);
    book.settle();
    assert.deepEqual(book.story(), ["create a.md", "delete a.md"]);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});
