// A file whose stored bytes were damaged is mended by whoever saves the right ones, in whatever way.

import assert from "node:assert/strict";
import { truncateSync } from "node:fs";
import { test } from "node:test";
import { objectPath } from "../../lib/blobs.ts";
import { PfsError } from "../../schema/errors.ts";
import { ALICE, type BookFixture, closing, withBook } from "./book-fixture.ts";
import { assertSound } from "./soundness.ts";

const LARGE = Buffer.alloc(200_000, "large ");

function damage(book: BookFixture, path: string): void {
  const { hash } = book.node(path);
  const { store } = book.library;
  if (book.node(path).size > 128 * 1024) truncateSync(objectPath(store, hash as never), 1000);
  else store.database.prepare("UPDATE blob SET data = x'00' WHERE sha256 = ?").run(hash);
  // Nothing is remembered of it, as after a restart.
  book.reopen();
  assert.throws(
    () => book.bytes(path),
    (error) => error instanceof PfsError && error.code === "CORRUPT",
  );
}

for (const [name, bytes] of [
  ["small", Buffer.from("a lesson")],
  ["large", LARGE],
] as const) {
  test(`R2: writing the same bytes over a damaged ${name} file mends it`, () =>
    withBook((book) => {
      book.write("a.md", bytes);
      damage(book, "a.md");
      book.write("a.md", bytes);
      assert.deepEqual(book.bytes("a.md"), bytes);
      assertSound(book.library);
    }));

  test(`R2: renaming the same bytes over a damaged ${name} file mends it`, () =>
    withBook((book) => {
      book.write("a.md", bytes);
      damage(book, "a.md");
      book.write("a.md.tmp", bytes);
      book.rename("a.md.tmp", "a.md");
      assert.deepEqual(book.bytes("a.md"), bytes);
      assertSound(book.library);
    }));
}

test("saving what is already there stores nothing and leaves nothing open", () =>
  withBook((book) => {
    book.write("a.md", LARGE);
    const { ino } = { ino: book.node("a.md").fileId };
    closing(book.open("a.md"), ALICE, () => undefined);
    book.write("a.md", LARGE);
    assert.equal(book.node("a.md").fileId, ino);
    assert.deepEqual(book.bytes("a.md"), LARGE);
    assertSound(book.library);
  }));
