/** Owns which bytes a book's remote has and this store lacks, of all that something here names. Must never fetch any. */
import type { Database } from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";
import type { BlobHash, BookId } from "../schema/ids.ts";

export interface RemoteBlob {
  readonly hash: BlobHash;
  readonly sizeBytes: number;
}

/** All versions that the log names, of all books, what is current, and what conflicts that are open need. */
const NAMED = `SELECT new_hash AS hash, size FROM audit_log WHERE new_hash IS NOT NULL
  UNION ALL SELECT lower(hex(sha256)), size FROM moved_version
  UNION ALL SELECT sha256, size FROM file_journal
  UNION ALL SELECT mine, size FROM conflict WHERE ended IS NULL
  UNION ALL SELECT base, 0 FROM conflict WHERE ended IS NULL AND base IS NOT NULL
  UNION ALL SELECT theirs, 0 FROM conflict WHERE ended IS NULL AND theirs IS NOT NULL`;

/** What of these is on the book's remote and not here. Looks through the whole log if there is any such blob. */
export function blobsOnRemoteOnly(database: Database, bookId: BookId): RemoteBlob[] {
  const absent = "r.book_id = ? AND NOT EXISTS (SELECT 1 FROM blob b WHERE b.sha256 = r.sha256)";
  if (database.prepare(`SELECT 1 FROM remote_blob r WHERE ${absent} LIMIT 1`).get(bookId) === undefined)
    return [];
  return database
    .prepare<unknown[], RemoteBlob>(
      `SELECT n.hash, max(coalesce(n.size, 0)) AS sizeBytes FROM (${NAMED}) n
       WHERE n.hash IN (SELECT r.sha256 FROM remote_blob r WHERE ${absent}) GROUP BY n.hash`,
    )
    .all(bookId);
}

/** @throws PfsError NOT_PERMITTED: without the book's remote something that is named here could be had nowhere */
export function refuseLosing(database: Database, bookId: BookId): void {
  const elsewhere = database.prepare("SELECT 1 FROM remote_blob WHERE sha256 = ? AND book_id <> ?");
  const lost = blobsOnRemoteOnly(database, bookId).filter(
    ({ hash }) => elsewhere.get(hash, bookId) === undefined,
  );
  if (lost.length === 0) return;
  const isCurrent = database.prepare("SELECT 1 FROM file_journal WHERE sha256 = ? LIMIT 1");
  const current = lost.filter(({ hash }) => isCurrent.get(hash) !== undefined).length;
  const old = lost.length - current;
  const what = [
    ...(current > 0 ? [`${current === 1 ? "those of 1 file" : `those of ${current} files`}`] : []),
    ...(old > 0 ? [`${old === 1 ? "those of 1 older version" : `those of ${old} older versions`}`] : []),
  ].join(" and ");
  throw new PfsError("NOT_PERMITTED", `Bytes of ${bookId} are on its remote only: ${what}.`, {
    hint: `Nothing was changed. \`pfs prefetch ${bookId}${old > 0 ? " --history" : ""}\` fetches them; then do it again.`,
  });
}
