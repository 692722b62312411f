// Old rows of a book's log moved into segments, with a remote in memory: what the tests of retention share. Must do what
// moveBook and recallBook do, and nothing else.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Library } from "../../lib/library.ts";
import { StoreReader } from "../../lib/reader.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import type { MoveLimits } from "../../lib/retention/movable.ts";
import { retain } from "../../lib/retention/move-rows.ts";
import { findRemote } from "../../lib/shared-rows.ts";
import { type Moved, moveBook, type RetentionParts, recallBook } from "../../lib/sync/move-book.ts";
import { verifyStore } from "../../lib/verify.ts";
import { parseUserId } from "../../schema/ids.ts";
import { localOperations } from "../../schema/log-row.ts";
import { ALICE, actorNamed, BOOK, BookFixture, type BookOptions, layerOf } from "./book-fixture.ts";

/** Later than any row. */
export const ALL: MoveLimits = { before: "9999", smallBefore: "9999" };

/** Segments as a remote has them, by name. */
export type Segments = Map<string, Uint8Array>;

export function blobsIn(segments: Segments): RetentionParts["blobs"] {
  return {
    putSegment: async (name, bytes) => {
      segments.set(name, new Uint8Array(bytes));
    },
    getSegment: async (name) => {
      const bytes = segments.get(name);
      if (bytes !== undefined) return bytes;
      throw new RemoteError("NOT_FOUND", `The remote has no segment ${name}.`, { isRetryable: false });
    },
  };
}

/** As if every row had been pushed. */
export function shareAll(library: Library, bookId = BOOK): void {
  const { database } = library.store;
  if (findRemote(database, bookId) === undefined)
    library.shareBook(bookId, { logUrl: "memory:", blobsUrl: "memory:", remoteId: "0".repeat(32) });
  const last = database
    .prepare<unknown[], number>("SELECT coalesce(max(shared_seq), 0) FROM shared_row WHERE book_id = ?")
    .pluck()
    .get(bookId) as number;
  const seqs = database
    .prepare<unknown[], number>(
      `SELECT seq FROM audit_log WHERE book_id = ? AND operation NOT IN (${localOperations.map((each) => `'${each}'`)})
       AND seq NOT IN (SELECT seq FROM shared_row) ORDER BY seq`,
    )
    .pluck()
    .all(bookId);
  library.noteShared(
    bookId,
    seqs.map((seq, index) => ({ seq, sharedSeq: last + index + 1 })),
    [],
    { seq: last + seqs.length, entryHash: null },
  );
}

/** Calls `use` with what moves rows of the store's book. */
export async function withParts<Result>(
  library: Library,
  segments: Segments,
  use: (parts: RetentionParts) => Promise<Result>,
  bookId = BOOK,
): Promise<Result> {
  const { directory } = library.store;
  const reader = StoreReader.openBeside(directory);
  try {
    return await use({
      bookId,
      storeId: library.signer.storeId,
      reader,
      blobs: blobsIn(segments),
      retain: async (step) => retain(library.store, step),
    });
  } finally {
    reader.close();
  }
}

export function moveRows(
  library: Library,
  segments: Segments,
  limits: Partial<MoveLimits> = {},
  nowMs?: number,
): Promise<Moved> {
  return withParts(library, segments, (parts) => moveBook(parts, { ...ALL, ...limits }, nowMs));
}

export function recallRows(library: Library, segments: Segments, nowMs?: number): Promise<number> {
  return withParts(library, segments, (parts) => recallBook(parts, nowMs));
}

export const USER = parseUserId("ulla");
export const BOB = actorNamed("bob");

export interface Rig {
  readonly book: BookFixture;
  readonly reader: StoreReader;
  readonly segments: Segments;
}

export async function withRig(
  use: (rig: Rig) => Promise<void> | void,
  options: BookOptions = {},
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const book = new BookFixture(directory, options);
    const reader = StoreReader.openBeside(directory);
    try {
      await use({ book, reader, segments: new Map() });
    } finally {
      reader.close();
      book.close();
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Some history of every kind: versions, a move, a removal, a refusal, an overlay. Then it is shared. */
export function fill(book: BookFixture, versions = 4): void {
  book.makeDirectories("part");
  for (let version = 1; version <= versions; version++)
    for (const path of ["a.md", "part/b.md"])
      book.write(path, `${path} ${version}`, version % 2 ? ALICE : BOB);
  book.rename("part/b.md", "c.md");
  for (let version = 1; version <= versions; version++) book.write("c.md", `moved ${version}`);
  book.write("gone.md", "gone");
  book.unlink("gone.md");
  book.settle();
  assert.throws(() => book.worktree.link(book.node("a.md").fileId, book.worktree.rootId, "hard.md", ALICE));
  const layer = layerOf(book, USER);
  for (let version = 1; version <= versions; version++) layer.write("a.md", `ulla's ${version}`);
  book.write("last.md", "last");
  book.write("last.md", "last again");
  shareAll(book.library);
}

export async function findings(reader: StoreReader): Promise<string[]> {
  return (await verifyStore(reader)).map(({ rule, subject, message }) => `${rule} ${subject}: ${message}`);
}
