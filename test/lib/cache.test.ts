// Which blobs may be evicted, and which never: those that something under way needs, that somebody has open, or that were just used.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { nowSeconds } from "../../lib/cache/blob-uses.ts";
import { evictBlobs } from "../../lib/cache/evict-blobs.ts";
import { findEvictable } from "../../lib/cache/find-evictable.ts";
import { findGarbage } from "../../lib/garbage.ts";
import { StoreReader } from "../../lib/reader.ts";
import { verifyStore } from "../../lib/verify.ts";
import { type BlobHash, parseUserId } from "../../schema/ids.ts";
import { importText } from "../fault/scenarios.ts";
import { ALICE, BOOK, BookFixture, layerOf, withBook } from "./book-fixture.ts";

const LARGE = Buffer.alloc(200_000, "large ");
const HOUR = 3_600;

/** As after a push: a remote has every version, and knows every row. */
function share(book: BookFixture): void {
  const { library } = book;
  if (!library.blobs.mayLack)
    library.shareBook(BOOK, { logUrl: "test:", blobsUrl: "test:", remoteId: "0".repeat(32) });
  const { database } = library.store;
  const rows = database.prepare("SELECT seq FROM audit_log").pluck().all() as number[];
  const hashes = database
    .prepare("SELECT DISTINCT new_hash FROM audit_log WHERE new_hash IS NOT NULL")
    .pluck()
    .all() as BlobHash[];
  library.noteShared(
    BOOK,
    rows.map((seq) => ({ seq, sharedSeq: seq })),
    hashes,
    { seq: rows.length, entryHash: null },
  );
}

/** When a file's version was last used. */
function age(book: BookFixture, path: string, seconds: number): void {
  const { store } = book.library;
  const use = { hash: hashOf(book, path), used: nowSeconds() - seconds };
  store.transaction(() =>
    store.database
      .prepare("INSERT INTO blob_use VALUES (:hash, :used) ON CONFLICT DO UPDATE SET used = :used")
      .run(use),
  );
}

function hashOf(book: BookFixture, path: string): BlobHash {
  return book.node(path).hash as BlobHash;
}

function found(book: BookFixture, { limitBytes = 0, usedBefore = nowSeconds() + 1 } = {}) {
  const reader = StoreReader.openBeside(book.directory);
  try {
    return findEvictable(reader, { limitBytes, usedBefore });
  } finally {
    reader.close();
  }
}

/** Evicts all that is found; answers the paths of the base whose bytes are not here any more. */
function evict(book: BookFixture, usedBefore = nowSeconds() + 1): string[] {
  const { seq, blobs } = found(book, { usedBefore });
  evictBlobs(book.library, { seq, hashes: blobs.map(({ hash }) => hash), usedBefore });
  return gone(book);
}

function gone(book: BookFixture): string[] {
  return book.library.store.database
    .prepare(
      `SELECT path FROM file_journal WHERE user_id = '__base__' AND sha256 NOT IN (SELECT sha256 FROM blob) ORDER BY path`,
    )
    .pluck()
    .all() as string[];
}

test("what is over the limit is found oldest use first, large and small; within the limit nothing is", () =>
  withBook((book) => {
    for (const [path, bytes] of Object.entries({ a: "first", b: LARGE, c: "third" })) book.write(path, bytes);
    share(book);
    for (const [path, hours] of Object.entries({ a: 2, b: 3, c: 1 })) age(book, path, hours * HOUR);
    const total = 5 + LARGE.length + 5;
    const { cachedBytes, blobs } = found(book);
    assert.equal(cachedBytes, total);
    assert.deepEqual(
      blobs,
      ["b", "a", "c"].map((path) => ({ hash: hashOf(book, path), sizeBytes: book.node(path).size })),
    );
    assert.deepEqual(found(book, { limitBytes: total }).blobs, []);
    assert.deepEqual(
      found(book, { usedBefore: nowSeconds() - 2 * HOUR - 60 }).blobs.map(({ hash }) => hash),
      [hashOf(book, "b")],
    );
  }));

test("evicted bytes are absent and not damaged: the log, gc and verify find nothing wrong, and they can come again", async () => {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const book = new BookFixture(directory, {});
  try {
    book.write("small", "small");
    book.write("large", LARGE);
    share(book);
    assert.deepEqual(evict(book), ["large", "small"]);
    assert.throws(() => book.text("small"), { code: "UNAVAILABLE" });
    const reader = StoreReader.openBeside(book.directory);
    try {
      assert.deepEqual(await verifyStore(reader), []);
      const { blobs, files, keptForRemote } = await findGarbage(reader);
      assert.deepEqual([blobs, files, keptForRemote], [[], [], 0]);
      assert.deepEqual(found(book).cachedBytes, 0);
    } finally {
      reader.close();
    }
    const hash = hashOf(book, "small");
    book.library.storeBlobs([
      { hash, sizeBytes: 5, content: { bytes: new Uint8Array(Buffer.from("small")) } },
    ]);
    assert.equal(book.text("small"), "small");
    const uses = book.library.store.database.prepare("SELECT count(*) FROM blob_use").pluck();
    assert.equal(book.library.blobs.uses.save(), 0);
    assert.equal(uses.get(), 1, "what is not here has no use");
  } finally {
    book.close();
    rmSync(directory, { recursive: true });
  }
});

test("never: what no remote is known to have, and what a row that was not sent names or began with", () =>
  withBook((book) => {
    book.write("sent", "sent");
    book.write("changed", "before");
    book.write("again", "again");
    share(book);
    book.write("changed", "after");
    book.write("unsent", "unsent");
    // The same bytes as those that were sent.
    book.write("copy", "again");
    assert.deepEqual(evict(book), ["sent"]);
    const { database } = book.library.store;
    const before = database.prepare(
      "SELECT prev_hash FROM audit_log WHERE path = 'changed' AND operation = 'update'",
    );
    assert.ok(book.library.blobs.has(before.pluck().get() as BlobHash), "what the change began with");
    share(book);
    assert.deepEqual(evict(book), ["again", "changed", "copy", "sent", "unsent"]);
  }));

test("never: what came to be needed after it was found", () =>
  withBook((book) => {
    book.write("a", "a");
    book.write("b", "b");
    share(book);
    const usedBefore = nowSeconds() + 1;
    const { seq, blobs } = found(book);
    book.write("c", "a");
    evictBlobs(book.library, { seq, hashes: blobs.map(({ hash }) => hash), usedBefore });
    assert.deepEqual(gone(book), ["b"]);
  }));

test("never: what an overlay has, or lies over", () =>
  withBook((book) => {
    book.write("base", "base");
    book.write("over", "below");
    const overlay = layerOf(book, parseUserId("ann"));
    overlay.write("over", "above");
    overlay.write("own", "own");
    share(book);
    assert.deepEqual(evict(book), ["base"]);
    assert.equal(overlay.text("over"), "above");
    assert.equal(overlay.text("own"), "own");
    assert.equal(book.text("over"), "below");
  }));

test("never: the sides of a conflict that nobody has decided about", () =>
  withBook((book) => {
    book.write("x", "base\n");
    book.write("y", "other\n");
    const file = book.open("x");
    file.truncate(0, ALICE);
    file.write(0, Buffer.from("mine\n"), ALICE);
    importText(book, "x", "theirs\n");
    assert.throws(() => file.commit(ALICE, { durable: false }), { code: "CONFLICT" });
    file.release(ALICE);
    share(book);
    assert.deepEqual(evict(book), ["y"]);
    const [id] = [...book.worktree.conflicts.ids(0)];
    const conflict = book.worktree.conflicts.get(id as number);
    for (const side of [conflict?.base, conflict?.mine, conflict?.theirs])
      assert.ok(book.library.blobs.has(side as BlobHash));
  }));

test("never: what a file that is open began with, and what its path has by now", () =>
  withBook((book) => {
    for (const path of ["read", "drafted", "closed"]) book.write(path, path);
    const [reader, writer] = [book.open("read"), book.open("drafted")];
    writer.write(0, Buffer.from("D"), ALICE);
    importText(book, "drafted", "theirs\n");
    share(book);
    const began = writer.hash as BlobHash;
    assert.deepEqual(evict(book), ["closed"]);
    assert.ok(book.library.blobs.has(began));
    assert.ok(book.library.blobs.has(hashOf(book, "drafted")));
    const bytes = Buffer.alloc(4);
    reader.read(0, bytes);
    assert.equal(bytes.toString(), "read");
    reader.release(ALICE);
    assert.throws(() => writer.commit(ALICE, { durable: false }), { code: "CONFLICT" });
    writer.release(ALICE);
  }));

test("never: what was used lately, be it saved already or not; a use is noted when a file is opened", () =>
  withBook((book) => {
    for (const path of ["used", "noted", "old"]) book.write(path, path);
    share(book);
    assert.equal(book.library.blobs.uses.save(), 0);
    for (const path of ["used", "noted", "old"]) age(book, path, HOUR);
    const lately = nowSeconds() - 60;
    const { seq, blobs } = found(book, { usedBefore: lately });
    assert.equal(blobs.length, 3);
    for (const path of ["used", "noted"]) {
      const file = book.open(path);
      file.prepare();
      file.release(ALICE);
      if (path === "used") book.library.blobs.uses.save();
    }
    evictBlobs(book.library, { seq, hashes: blobs.map(({ hash }) => hash), usedBefore: lately });
    assert.deepEqual(gone(book), ["old"]);
    assert.equal(found(book, { usedBefore: lately }).blobs.length, 1, "what is not saved is found, and kept");
  }));

test("uses of very many blobs are noted in bounded memory, and saved a part at a time; the last ones are never forgotten", () =>
  withBook((book) => {
    book.write("a", "a");
    share(book);
    const { uses } = book.library.blobs;
    const before = nowSeconds();
    uses.note(hashOf(book, "a"));
    const name = (index: number): BlobHash => index.toString(16).padStart(64, "0") as BlobHash;
    for (let index = 0; index < 45_000; index++) uses.note(name(index));
    for (const index of [44_999, 40_000, 35_000]) assert.ok(uses.isSince(name(index), before));
    let left = Number.POSITIVE_INFINITY;
    for (let calls = 0; left > 0; calls++) {
      const next = uses.save();
      assert.ok(next < left && calls < 20, `${next} after ${left}`);
      left = next;
    }
    uses.note(hashOf(book, "a"));
    assert.equal(uses.save(), 0);
    const saved = book.library.store.database.prepare("SELECT sha256 FROM blob_use").pluck().all();
    assert.deepEqual(saved, [hashOf(book, "a")], "of what is not here nothing is saved");
  }));
