/**
 * Owns which blobs a store need not keep, as a remote has them and nothing that is under way here needs them, oldest use first.
 * Must never change anything; evict-blobs.ts does.
 */
import { BASE, type BlobHash } from "../../schema/ids.ts";
import { CONFLICT_BLOBS } from "../needed-blobs.ts";
import type { StoreReader } from "../reader.ts";
import { IS_FOR_OTHERS } from "../shared-rows.ts";

export interface EvictableQuery {
  /** How many bytes of blobs the store is to have at the most. */
  readonly limitBytes: number;
  /** Only those that were not used since, seconds since 1970. */
  readonly usedBefore: number;
}

/** What was found. Plain data: it may be sent to another thread. */
export interface Evictable {
  /** Position of the log at which nothing needed them; who evicts looks at later rows again. */
  readonly seq: number;
  /** Of all blobs that are here. */
  readonly cachedBytes: number;
  /** Empty where that is within the limit; not more than some thousand at once. */
  readonly blobs: readonly { readonly hash: BlobHash; readonly sizeBytes: number }[];
}

const MAX_FOUND = 10_000;

/** Rows of the log that a remote of their book is not known to have. */
const UNSENT = `FROM audit_log a WHERE ${IS_FOR_OTHERS} AND (a.book_id NOT IN (SELECT book_id FROM remote)
  OR NOT EXISTS (SELECT 1 FROM shared_row s WHERE s.seq = a.seq))`;

/** Hashes of what is never evicted: unsent rows and what they began with, overlays and what they lie over, open conflicts. None is NULL. */
const NEEDED = `SELECT a.new_hash ${UNSENT} AND a.new_hash IS NOT NULL
  UNION ALL SELECT a.prev_hash ${UNSENT} AND a.prev_hash IS NOT NULL
  UNION ALL SELECT sha256 FROM file_journal WHERE user_id <> '${BASE}'
  UNION ALL SELECT base_sha256 FROM file_journal WHERE base_sha256 IS NOT NULL
  UNION ALL ${CONFLICT_BLOBS}`;

/** Looks at every blob's size, and through the log where that is over the limit. */
export function findEvictable(reader: StoreReader, { limitBytes, usedBefore }: EvictableQuery): Evictable {
  const snapshot = reader.openSnapshot();
  try {
    const { database } = snapshot;
    const { seq } = snapshot.head();
    const cachedBytes = database
      .prepare<[], number>("SELECT coalesce(sum(size), 0) FROM blob")
      .pluck()
      .get() as number;
    if (cachedBytes <= limitBytes) return { seq, cachedBytes, blobs: [] };
    const blobs = database
      .prepare<unknown[], Evictable["blobs"][number]>(
        `SELECT b.sha256 AS hash, b.size AS sizeBytes FROM blob b LEFT JOIN blob_use u ON u.sha256 = b.sha256
         WHERE coalesce(u.used, 0) < ? AND EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = b.sha256)
         AND b.sha256 NOT IN (${NEEDED}) ORDER BY coalesce(u.used, 0), b.rowid LIMIT ?`,
      )
      .all(usedBefore, MAX_FOUND);
    return { seq, cachedBytes, blobs };
  } finally {
    snapshot.close();
  }
}
