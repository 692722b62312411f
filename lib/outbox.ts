/**
 * Owns reading the outbox: rows of a book's log that its remote does not have yet, as they are to be shared. Derived from the
 * log and the table of shared rows, never a list of its own. What is this machine's alone is not in it. Must never write.
 */
import type { Database } from "better-sqlite3";
import type { BookId } from "../schema/ids.ts";
import type { LogRow } from "../schema/log-row.ts";
import type { RowToShare } from "../schema/shared-row.ts";
import { IS_FOR_OTHERS } from "./shared-rows.ts";

/** A page goes on to the end of a transaction, for others to see it whole; but not beyond this many rows. */
const MAX_ROWS = 50_000;

const REBASED = "What others did came first: it was done anew after that, or is kept as a conflict.";

/** What waits to be pushed. */
export interface OutboxSize {
  readonly rows: number;
  /** Blobs that rows of it name, which the remote is not known to have. */
  readonly blobs: number;
  readonly bytes: number;
}

const WAITING = `FROM audit_log a WHERE a.seq > (SELECT pushed_seq FROM remote WHERE book_id = :book) AND +a.book_id = :book
  AND ${IS_FOR_OTHERS} AND NOT EXISTS (SELECT 1 FROM shared_row s WHERE s.seq = a.seq)`;

/** Whether anything waits: costs the same however much it is. */
export function hasOutbox(database: Database, bookId: BookId): boolean {
  const found = database.prepare<unknown[], number>(`SELECT EXISTS (SELECT 1 ${WAITING})`).pluck();
  return found.get({ book: bookId }) === 1;
}

/** Of a book that is shared; all zero for any other. Costs what waits. */
export function measureOutbox(database: Database, bookId: BookId): OutboxSize {
  const rows = database
    .prepare<unknown[], number>(`SELECT count(*) ${WAITING}`)
    .pluck()
    .get({ book: bookId });
  const bytes = database
    .prepare<unknown[], Omit<OutboxSize, "rows">>(
      `SELECT count(*) AS blobs, coalesce(sum(size), 0) AS bytes FROM blob b
       WHERE sha256 IN (SELECT new_hash ${WAITING} AND status = 'ok')
       AND NOT EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = b.sha256 AND r.book_id = :book)`,
    )
    .get({ book: bookId });
  return { rows: rows ?? 0, blobs: bytes?.blobs ?? 0, bytes: bytes?.bytes ?? 0 };
}

/**
 * The first rows of the outbox: `limit`, and those of the same transaction as the last of them. Empty for a book that is not
 * shared. What was put upon what others did in the meantime is among them as refused, as it was never done there.
 * @param storeId of the store: what its rows are known by
 */
export function readOutbox(database: Database, bookId: BookId, storeId: string, limit: number): RowToShare[] {
  const pushed = database
    .prepare<unknown[], number>("SELECT pushed_seq FROM remote WHERE book_id = ?")
    .pluck()
    .get(bookId);
  if (pushed === undefined) return [];
  const select = database.prepare<unknown[], LogRow & { isSuperseded: number }>(
    `SELECT a.*, EXISTS (SELECT 1 FROM audit_log l INDEXED BY audit_log_path JOIN shared_row s ON s.seq = l.seq
       WHERE l.book_id = a.book_id AND l.path = a.path AND l.user_id = a.user_id AND l.seq > a.seq) AS isSuperseded
     FROM audit_log a WHERE a.seq > ? AND +a.book_id = ? AND ${IS_FOR_OTHERS} AND NOT EXISTS (SELECT 1 FROM shared_row s WHERE s.seq = a.seq)
     AND a.timestamp <= ? ORDER BY a.seq LIMIT ?`,
  );
  const rows = select.all(pushed, bookId, "~", limit);
  const last = rows.at(-1);
  // Times never run backwards: no later row has that of an earlier transaction.
  if (rows.length === limit && last !== undefined)
    rows.push(...select.all(last.seq, bookId, last.timestamp, MAX_ROWS - limit));
  return rows.map(({ entry_hash: _, seq, isSuperseded, ...row }) => {
    const origin = { origin: storeId, origin_seq: seq };
    if (isSuperseded === 0 || row.status === "refused") return { ...row, ...origin };
    const refused = { status: "refused", new_hash: row.prev_hash, error_message: REBASED } as const;
    return { ...row, ...refused, ...origin, size: null, mode: null, mtime: null };
  });
}
