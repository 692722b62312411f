/** Owns how long a blob may be, by what the store knows of it. Must never ask the remote, which may say anything. */
import type { Database } from "better-sqlite3";
import type { BlobHash } from "../../schema/ids.ts";

/** What is found soon; the rest of the log, and the limits of books. */
const QUESTIONS = [
  `SELECT max(size) FROM (SELECT size FROM file_journal WHERE sha256 = :hash
     UNION ALL SELECT size FROM conflict WHERE mine = :hash
     UNION ALL SELECT size FROM moved_version WHERE sha256 = unhex(:hash))`,
  "SELECT max(size) FROM audit_log WHERE new_hash = :hash",
  "SELECT max(file_size_limit) FROM book WHERE :hash IS NOT NULL",
];

/** Its size, if some row tells that; else the longest that a file of the store's books may be. Looks through the whole log. */
export function toldSize(database: Database, hash: BlobHash): number {
  for (const question of QUESTIONS) {
    const size = database.prepare<unknown[], number | null>(question).pluck().get({ hash });
    if (typeof size === "number") return size;
  }
  return 0;
}
