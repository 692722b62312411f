/**
 * Owns fetching all bytes of a book that are on its remote only, many at once. Must never give up what came for what did not.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash, BookId } from "../../schema/ids.ts";
import type { StoreReader } from "../reader.ts";
import { runBounded } from "../run-bounded.ts";
import { discardStaged, type StagedBytes } from "../staging.ts";
import { fetchBlob } from "./fetch-blob.ts";
import type { SyncParts } from "./sync-parts.ts";

export interface Prefetched {
  readonly blobs: number;
  readonly bytes: number;
  /** What the remote does not have, or has wrong. */
  readonly failed: number;
}

interface Absent {
  readonly hash: BlobHash;
  readonly sizeBytes: number;
}

const CONCURRENCY = 16;
/** Stored in one transaction of the thread that serves mounts. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_BLOBS = 32;

/** What current versions of a book, of all layers, lack here, and what its open conflicts do. */
export function absentBlobs({ database }: StoreReader, bookId: BookId): Absent[] {
  return database
    .prepare<unknown[], Absent>(
      `SELECT hash, max(size) AS sizeBytes FROM (
         SELECT sha256 AS hash, size FROM file_journal WHERE book_id = :book
         UNION ALL SELECT mine, size FROM conflict WHERE book_id = :book AND ended IS NULL)
       WHERE NOT EXISTS (SELECT 1 FROM blob b WHERE b.sha256 = hash)
       AND EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = hash AND r.book_id = :book) GROUP BY hash`,
    )
    .all({ book: bookId });
}

/** @throws PfsError UNAVAILABLE and others of the remote; FULL. What came until then stays */
export async function prefetch(
  parts: Pick<SyncParts, "bookId" | "reader" | "blobs" | "owner" | "signal">,
  onFetched: (bytes: number) => void = () => {},
): Promise<Prefetched> {
  const { reader, owner, bookId, signal } = parts;
  const done = { blobs: 0, bytes: 0, failed: 0 };
  let held: StagedBytes[] = [];
  let heldBytes = 0;
  const store = async (): Promise<void> => {
    const batch = held;
    held = [];
    heldBytes = 0;
    if (batch.length > 0) await owner.storeBlobs(batch);
  };
  try {
    await runBounded(absentBlobs(reader, bookId), CONCURRENCY, async ({ hash }) => {
      signal?.throwIfAborted();
      let staged: StagedBytes;
      try {
        staged = await fetchBlob(parts, hash);
      } catch (error) {
        if (!(error instanceof PfsError) || !["NOT_FOUND", "CORRUPT"].includes(error.code)) throw error;
        done.failed++;
        return;
      }
      done.blobs++;
      done.bytes += staged.sizeBytes;
      onFetched(staged.sizeBytes);
      held.push(staged);
      heldBytes += staged.sizeBytes;
      if (held.length >= BATCH_BLOBS || heldBytes >= BATCH_BYTES) await store();
    });
    await store();
  } finally {
    for (const staged of held) await discardStaged(staged);
  }
  return done;
}
