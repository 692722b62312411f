/**
 * Owns which rows of a book may be moved: old ones that the shared log is known to have as they are here, of a book whose
 * remote can have the segment. Must never change anything.
 */
import type { Database } from "better-sqlite3";
import type { BookId } from "../../schema/ids.ts";
import { GENESIS_HASH, type LogRow } from "../../schema/log-row.ts";
import { SharedRows } from "../shared-rows.ts";
import { MovedRows } from "./moved-rows.ts";
import type { Segment, SegmentRow } from "./segment.ts";

export interface MoveLimits {
  /** Only rows that were written before, ISO 8601 UTC. */
  readonly before: string;
  /** A segment that would not be full is made only of rows of which the first was written before, ISO 8601 UTC. */
  readonly smallBefore: string;
  /** Only up to this position: somebody looks at the book as it was there. */
  readonly untilSeq?: number | undefined;
}

/** Some 10 ms to open. */
const SEGMENT_ROWS = 500;
/** Nor does it reach over more rows, which are other books': whoever records it goes through them. */
const SEGMENT_SPAN = 50_000;
/** Rows of long paths and messages are fewer. */
const SEGMENT_CHARS = 4 * 1024 * 1024;

/**
 * Position up to which rows of a book may be moved, whatever their age: what others did is known up to there, and what was done
 * here is shared. 0 for a book that is not shared. The log's last row stays out of it.
 */
export function movableUntil(database: Database, bookId: BookId): number {
  const shared = new SharedRows(database, bookId);
  const position = shared.position();
  if (position === undefined) return 0;
  const head = database.prepare<[], number>("SELECT coalesce(max(seq), 0) FROM audit_log").pluck().get() ?? 0;
  return Math.max(0, Math.min(position.pushedSeq, shared.firstUnsettled(position) - 1, head - 1));
}

/** Whether rows of the book were brought back, and are to stay for a while. @param now ISO 8601 UTC */
export function isKept(database: Database, bookId: BookId, now: string): boolean {
  return (
    database.prepare("SELECT 1 FROM log_horizon WHERE book_id = ? AND kept_until > ?").get(bookId, now) !==
    undefined
  );
}

/** The rows of the next segment; empty when there are none to be moved. Only where every row is in the table. */
export function nextRows(database: Database, bookId: BookId, limits: MoveLimits): SegmentRow[] {
  const { lastSeq: after = 0 } = MovedRows.of(database).lastSegment(bookId) ?? {};
  const until = Math.min(movableUntil(database, bookId), limits.untilSeq ?? Number.MAX_SAFE_INTEGER);
  const found = database
    .prepare<unknown[], LogRow>(
      `SELECT * FROM audit_log WHERE seq > ? AND seq <= ? AND +book_id = ? AND timestamp < ? ORDER BY seq LIMIT ${SEGMENT_ROWS}`,
    )
    .all(after, until, bookId, limits.before);
  if (found.length < SEGMENT_ROWS && (found[0]?.timestamp ?? "") >= limits.smallBefore) return [];
  const rows: SegmentRow[] = [];
  let chars = 0;
  for (const row of found) {
    if (row.seq >= (found[0] as LogRow).seq + SEGMENT_SPAN) break;
    chars += JSON.stringify(row).length;
    if (rows.length > 0 && chars > SEGMENT_CHARS) break;
    const isNext = rows.at(-1)?.seq === row.seq - 1;
    rows.push(isNext ? row : { ...row, chained_to: hashBefore(database, row.seq) });
  }
  return rows;
}

/** Segments that there are, and whose rows are all in the table, as they were brought back; up to the last that may go again. */
export function recalledSegments(database: Database, bookId: BookId, limits: MoveLimits): Segment[] {
  const moved = MovedRows.of(database);
  const until = Math.min(movableUntil(database, bookId), limits.untilSeq ?? Number.MAX_SAFE_INTEGER);
  return moved
    .segments(bookId, moved.horizonOf(bookId))
    .filter(({ lastSeq, lastTime }) => lastSeq <= until && lastTime < limits.before);
}

function hashBefore(database: Database, seq: number): string {
  if (seq === 1) return GENESIS_HASH;
  const here = database
    .prepare<unknown[], string>("SELECT entry_hash FROM audit_log WHERE seq = ?")
    .pluck()
    .get(seq - 1);
  const found = here ?? MovedRows.of(database).row(seq - 1)?.entry_hash;
  // Of a log that lacks a row verify says so; its rows stay.
  if (found === undefined) throw new RangeError(`the log has no row ${seq - 1}`);
  return found;
}
