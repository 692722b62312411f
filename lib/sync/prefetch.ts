/** Owns fetching all bytes of a book that are on its remote only. Must never say of what is missing there that it came. */
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import { blobsOnRemoteOnly, type RemoteBlob } from "../only-remote.ts";
import type { StoreReader } from "../reader.ts";
import { type FetchParts, fetchBlobs } from "./fetch-blobs.ts";

export interface Prefetched {
  readonly blobs: number;
  readonly bytes: number;
  /** What the remote does not have, or has wrong. */
  readonly failed: number;
}

/** What is to be fetched. */
export interface PrefetchWish {
  readonly bookId: BookId;
  /** Older versions, too: all that the log names. */
  readonly history: boolean;
}

/** What current versions of a book, of all layers, lack here, and what its open conflicts do; with `history` all versions. */
export function absentBlobs({ database }: StoreReader, { bookId, history }: PrefetchWish): RemoteBlob[] {
  if (history) return blobsOnRemoteOnly(database, bookId);
  return database
    .prepare<unknown[], RemoteBlob>(
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
  parts: FetchParts & PrefetchWish,
  onFetched: (bytes: number) => void = () => undefined,
): Promise<Prefetched> {
  const done = { blobs: 0, bytes: 0 };
  const hashes = absentBlobs(parts.reader, parts).map(({ hash }) => hash);
  const failures = await fetchBlobs(parts, hashes, (bytes) => {
    done.blobs++;
    done.bytes += bytes;
    onFetched(bytes);
  });
  for (const error of failures.values())
    if (!(error instanceof PfsError && (error.code === "NOT_FOUND" || error.code === "CORRUPT"))) throw error;
  return { ...done, failed: failures.size };
}
