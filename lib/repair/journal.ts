/**
 * Owns making the journal what the log ends with: the log is the truth. Only of a log whose chain is whole. Must never say
 * where in the tree a file is; tree.ts does.
 */
import { NO_BASE } from "../../schema/log-row.ts";
import { INLINE_MAX_BYTES } from "../blobs.ts";
import type { Store } from "../store.ts";
import type { Tell } from "./mended.ts";

/** Per path and layer the row of the log that says what is there; a row that does not say all cannot be gone by. */
const LOGGED = `CREATE TEMP TABLE logged AS
  SELECT l.book_id, l.path, l.user_id, l.new_hash AS sha256, l.size, l.mode, CAST(l.mtime AS INTEGER) AS mtime, l.file_id, l.base_hash,
  CAST(unixepoch(l.timestamp) AS INTEGER) * 1000000000 AS written_at
  FROM audit_log l JOIN (SELECT max(seq) AS seq FROM audit_log WHERE status = 'ok' GROUP BY book_id, path, user_id) last
  ON last.seq = l.seq WHERE l.new_hash IS NOT NULL AND l.size IS NOT NULL AND l.mode IS NOT NULL AND l.mtime IS NOT NULL
  AND l.file_id IS NOT NULL`;

const SAME_PATH = "l.book_id = j.book_id AND l.path = j.path AND l.user_id = j.user_id";

/** Rows of the journal that the log contradicts, or knows nothing of. What stays of them is what no log row says. */
const WRONG = `CREATE TEMP TABLE wrong AS SELECT j.book_id, j.path, j.user_id, j.parent, j.base_sha256, j.last_written_at, j.sha256
  FROM file_journal j LEFT JOIN temp.logged l ON ${SAME_PATH}
  WHERE l.sha256 IS NOT j.sha256 OR l.size IS NOT j.size OR l.mode IS NOT j.mode OR l.mtime IS NOT j.mtime
  OR l.file_id IS NOT j.file_id`;

const WHERE_BYTES_ARE = `CASE WHEN b.sha256 IS NOT NULL THEN iif(b.data IS NULL, 'object', 'inline')
  WHEN EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = l.sha256) THEN 'remote'
  ELSE iif(l.size > ${INLINE_MAX_BYTES}, 'object', 'inline') END`;

export function repairJournal(store: Store, tell: Tell): void {
  const { database } = store;
  store.transaction(() => {
    database.exec(`${LOGGED}; ${WRONG}`);
    try {
      database.exec(
        `DELETE FROM file_journal WHERE (book_id, path, user_id) IN (SELECT book_id, path, user_id FROM temp.wrong)`,
      );
      const put = database
        .prepare(
          `INSERT INTO file_journal (book_id, path, user_id, sha256, size, mode, mtime, file_id, storage_backend,
           last_written_at, parent, base_sha256)
           SELECT l.book_id, l.path, l.user_id, l.sha256, l.size, l.mode, l.mtime, l.file_id, ${WHERE_BYTES_ARE},
           coalesce(w.last_written_at, l.written_at), w.parent,
           iif(l.base_hash IS NULL, w.base_sha256, nullif(l.base_hash, '${NO_BASE}'))
           FROM temp.logged l LEFT JOIN blob b ON b.sha256 = l.sha256
           LEFT JOIN temp.wrong w ON w.book_id = l.book_id AND w.path = l.path AND w.user_id = l.user_id
           WHERE NOT EXISTS (SELECT 1 FROM file_journal j WHERE ${SAME_PATH})
           ON CONFLICT DO NOTHING RETURNING path, book_id`,
        )
        .all() as { path: string; book_id: string }[];
      for (const { path, book_id } of put)
        tell("R6", path, `The journal has ${path} (${book_id}) as the log says again.`);
      tellUnlogged(store, tell);
    } finally {
      database.exec("DROP TABLE temp.logged; DROP TABLE temp.wrong");
    }
  });
  repairStorage(store, tell);
}

function tellUnlogged({ database }: Store, tell: Tell): void {
  const gone = database
    .prepare(
      `SELECT w.path, w.book_id, w.sha256 FROM temp.wrong w WHERE NOT EXISTS (SELECT 1 FROM file_journal j
       WHERE j.book_id = w.book_id AND j.path = w.path AND j.user_id = w.user_id)`,
    )
    .all() as { path: string; book_id: string; sha256: string }[];
  for (const { path, book_id, sha256 } of gone)
    tell("R6", path, `The journal has no ${path} (${book_id}) any more, as the log says (it had ${sha256}).`);
}

/** Where a file's bytes are is not in the log. */
function repairStorage({ database }: Store, tell: Tell): void {
  const moved = database
    .prepare(
      `UPDATE file_journal AS j SET storage_backend = iif(b.data IS NULL, 'object', 'inline') FROM blob b
       WHERE b.sha256 = j.sha256 AND j.storage_backend <> 'remote'
       AND j.storage_backend <> iif(b.data IS NULL, 'object', 'inline') RETURNING path`,
    )
    .pluck()
    .all() as string[];
  for (const path of moved) tell("R2", path, `The journal says where the bytes of ${path} are again.`);
}
