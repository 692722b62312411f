// Files too large for the database: drafts in files, blobs in files, many handles on one.

import assert from "node:assert/strict";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { INLINE_MAX_BYTES } from "../../lib/blobs.ts";
import type { OpenFile } from "../../lib/worktree/open-file.ts";
import { parseUserId } from "../../schema/ids.ts";
import { ALICE, closing, contentOf, layerOf, withBook } from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

test("the border between database and file: 131072 bytes are in the one, 131073 in the other", () => {
  withBook((book) => {
    for (const size of [INLINE_MAX_BYTES - 1, INLINE_MAX_BYTES, INLINE_MAX_BYTES + 1]) {
      book.write("x", Buffer.alloc(size, "x"));
      const { storage_backend: backend } = book.library.store.database
        .prepare("SELECT storage_backend FROM file_journal")
        .get() as { storage_backend: string };
      assert.equal(backend, size > INLINE_MAX_BYTES ? "object" : "inline");
      assert.equal(book.bytes("x").byteLength, size);
      assertSound(book.library);
    }
  });
});

test("a large file goes on being written after fsync, and each version stays (B1)", () => {
  withBook((book) => {
    const file = book.create("x");
    const chunk = Buffer.alloc(100_000, "a");
    for (let round = 0; round < 5; round++) {
      file.write(file.size, chunk, ALICE);
      assert.equal(file.commit(ALICE, { durable: true }), "committed");
      assert.equal(file.commit(ALICE, { durable: true }), "unchanged");
    }
    file.release(ALICE);
    assert.deepEqual(book.bytes("x"), Buffer.alloc(500_000, "a"));
    assert.equal(
      readdirSync(join(book.directory, "objects"), { recursive: true }).filter((n) => `${n}`.length > 3)
        .length,
      4,
    );
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("a file of many megabytes goes to the disk while it is written, also when it is begun anew half way (R2)", () => {
  withBook((book) => {
    const file = book.create("x");
    const chunk = Buffer.alloc(1024 * 1024);
    const write = (count: number, text: string) => {
      for (let index = 0; index < count; index++) {
        chunk.fill(`${text}${index} `);
        file.write(file.size, chunk, ALICE);
      }
    };
    write(50, "first ");
    file.truncate(0, ALICE);
    write(60, "second ");
    file.write(1, Buffer.from("!"), ALICE);
    file.commit(ALICE, { durable: false });
    file.release(ALICE);
    const bytes = book.bytes("x");
    assert.equal(bytes.byteLength, 60 * chunk.length);
    for (let index = 0; index < 60; index++) {
      const start = index * chunk.length;
      const text = bytes.toString("latin1", start, start + 10);
      assert.equal(text, `${index === 0 ? "s!" : "se"}cond ${index} ${"s".repeat(2 - `${index}`.length)}`);
    }
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("a large file is cut below the border and grows again", () => {
  withBook((book) => {
    book.write("x", Buffer.alloc(300_000, "a"));
    const file = book.open("x");
    closing(file, ALICE, () => {
      file.truncate(10, ALICE);
      file.commit(ALICE, { durable: false });
      assert.equal(book.node("x").size, 10);
      file.truncate(200_000, ALICE);
    });
    assert.deepEqual(book.bytes("x"), Buffer.concat([Buffer.alloc(10, "a"), Buffer.alloc(199_990)]));
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("the same large bytes written again are no new version, and leave no file behind", () => {
  withBook((book) => {
    const bytes = Buffer.alloc(300_000, "a");
    book.write("x", bytes);
    const file = book.open("x");
    closing(file, ALICE, () => {
      file.truncate(0, ALICE);
      file.write(0, bytes, ALICE);
      file.commit(ALICE, { durable: false });
      assert.deepEqual(contentOf(file), bytes);
      file.write(0, Buffer.from("b"), ALICE);
    });
    assert.equal(book.bytes("x").toString("latin1", 0, 2), "ba");
    book.write("y", bytes);
    assert.deepEqual(book.story(), ["create x", "attributes x", "update x", "create y"]);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("a sparse draft takes the space of what was written", () => {
  withBook((book) => {
    const file = book.create("x");
    file.write(50_000_000, Buffer.from("end"), ALICE);
    const [draft = ""] = readdirSync(join(book.directory, "drafts"));
    assert.ok(statSync(join(book.directory, "drafts", draft)).blocks * 512 < 1_000_000);
    assert.equal(file.seek(0, 3) > 49_000_000, true, "SEEK_DATA finds the end");
    file.commit(ALICE, { durable: false });
    file.release(ALICE);
    assert.equal(book.node("x").size, 50_000_003);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("64 handles on one file share one draft, its base and its descriptor", () => {
  withBook((book) => {
    book.write("x", Buffer.alloc(200_000));
    const handles = Array.from({ length: 64 }, () => book.open("x"));
    for (const [index, file] of handles.entries()) file.write(index * 3000, Buffer.alloc(3000, index), ALICE);
    assert.equal(readdirSync(join(book.directory, "drafts")).length, 1);
    for (const file of handles) {
      file.commit(ALICE, { durable: false });
      file.release(ALICE);
    }
    const bytes = book.bytes("x");
    for (let index = 0; index < 64; index++) assert.equal(bytes[index * 3000 + 1], index);
    assert.deepEqual(book.story(), ["create x", "update x"]);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("an unlinked large draft takes no space once it is closed", () => {
  withBook((book) => {
    const file = book.create("x");
    file.write(0, Buffer.alloc(300_000, "a"), ALICE);
    book.unlink("x");
    file.write(300_000, Buffer.from("b"), ALICE);
    assert.equal(contentOf(file).byteLength, 300_001);
    assert.equal(file.commit(ALICE, { durable: true }), "unchanged");
    file.release(ALICE);
    assert.deepEqual(book.story(), []);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("B1: large drafts of the base and of a user, new ones and copies, are not each other's files", () => {
  withBook((base) => {
    const alice = layerOf(base, parseUserId("alice"));
    const half = Buffer.alloc(INLINE_MAX_BYTES);
    const inTurns = (one: OpenFile, other: OpenFile, write: (file: OpenFile, text: string) => void): void => {
      write(one, "1");
      write(other, "2");
      for (const file of [one, other]) assert.equal(file.commit(ALICE, { durable: true }), "committed");
      for (const file of [one, other]) file.release(ALICE);
    };
    inTurns(base.create("new"), alice.create("hers"), (file, text) => {
      for (const part of [half, half, Buffer.from(text)]) file.write(file.size, part, ALICE);
    });
    assert.equal(base.text("new").slice(-2), "\u00001");
    assert.equal(alice.text("hers").slice(-2), "\u00002");
    // The base after her: a user's save over a base that has changed meanwhile is refused.
    inTurns(alice.open("new"), base.open("new"), (file, text) => file.write(0, Buffer.from(text), ALICE));
    assert.deepEqual([alice.text("new")[0], base.text("new")[0]], ["1", "2"]);
    assertSound(base.library);
    assertAtRest(base.library);
  });
});
