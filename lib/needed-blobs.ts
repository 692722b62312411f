/** Owns which bytes a store needs: what the log, the journal and open conflicts name. */

/** A SELECT of `hash`, with repetitions and without NULL. */
export const NEEDED_BLOBS = `SELECT new_hash AS hash FROM audit_log WHERE new_hash IS NOT NULL
  UNION ALL SELECT prev_hash FROM audit_log WHERE prev_hash IS NOT NULL
  UNION ALL SELECT sha256 FROM file_journal
  UNION ALL SELECT base_sha256 FROM file_journal WHERE base_sha256 IS NOT NULL
  UNION ALL SELECT mine FROM conflict WHERE ended IS NULL
  UNION ALL SELECT base FROM conflict WHERE ended IS NULL AND base IS NOT NULL
  UNION ALL SELECT theirs FROM conflict WHERE ended IS NULL AND theirs IS NOT NULL`;
