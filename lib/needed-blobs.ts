/** Owns which bytes a store needs: what the log, the journal and open conflicts name. */
import type { Database } from "better-sqlite3";
import type { BlobHash } from "../schema/ids.ts";

/** SELECTs of `hash` of what conflicts need that nobody has decided about, with repetitions and without NULL. */
export const CONFLICT_BLOBS = `SELECT mine AS hash FROM conflict WHERE ended IS NULL
  UNION ALL SELECT base FROM conflict WHERE ended IS NULL AND base IS NOT NULL
  UNION ALL SELECT theirs FROM conflict WHERE ended IS NULL AND theirs IS NOT NULL`;

/** The same of all that is needed. */
export const NEEDED_BLOBS = `SELECT new_hash AS hash FROM audit_log WHERE new_hash IS NOT NULL
  UNION ALL SELECT prev_hash FROM audit_log WHERE prev_hash IS NOT NULL
  UNION ALL SELECT lower(hex(sha256)) FROM moved_version
  UNION ALL SELECT sha256 FROM file_journal
  UNION ALL SELECT base_sha256 FROM file_journal WHERE base_sha256 IS NOT NULL
  UNION ALL ${CONFLICT_BLOBS}`;

/** What came to be needed after a position of the log, and what conflicts need. Each new journal row is a row of the log. */
export function neededSince(database: Database, seq: number): Set<BlobHash> {
  const rows = database
    .prepare<unknown[], BlobHash>(
      `SELECT new_hash FROM audit_log WHERE seq > :seq AND new_hash IS NOT NULL
       UNION ALL SELECT prev_hash FROM audit_log WHERE seq > :seq AND prev_hash IS NOT NULL
       UNION ALL ${CONFLICT_BLOBS}`,
    )
    .pluck()
    .all({ seq });
  return new Set(rows);
}
