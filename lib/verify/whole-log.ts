/**
 * Owns the whole log as the checks read it: the rows of the table and those that are in segments only, and which segments
 * cannot be read. Must never judge a row but for whether it may be in a segment only.
 */
import type { Statement } from "better-sqlite3";
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import type { LogRow } from "../../schema/log-row.ts";
import type { StoreReader } from "../reader.ts";
import { MovedRows } from "../retention/moved-rows.ts";
import { NO_SEGMENT, openSegment, type Segment, segmentText } from "../retention/segment.ts";

/** A segment whose rows cannot be read. */
export interface UnreadSegment {
  readonly segment: Segment;
  /** One sentence. */
  readonly message: string;
  readonly hint: string;
}

const PAGE_ROWS = 1000;

/** What the horizon's rule lets go (0011-log-segments.sql): the same file had another version there later, which is in the table. */
const SUPERSEDED = `SELECT 1 FROM audit_log WHERE book_id = ? AND path = ? AND user_id = ? AND seq > ? AND seq <= ?
  AND status = 'ok' AND operation IN ('update', 'attributes') AND file_id = ? AND new_hash IS NOT NULL LIMIT 1`;

export class WholeLog {
  readonly unread: UnreadSegment[] = [];
  readonly #reader: StoreReader;
  readonly #moved: MovedRows;
  readonly #isSuperseded: Statement<unknown[], 1>;
  readonly #isHere: Statement<unknown[], 1>;

  constructor(reader: StoreReader) {
    this.#reader = reader;
    this.#moved = MovedRows.of(reader.database);
    this.#isSuperseded = reader.database.prepare<unknown[], 1>(SUPERSEDED);
    this.#isHere = reader.database.prepare<unknown[], 1>("SELECT 1 FROM audit_log WHERE seq = ?");
  }

  /** The rows after a position, oldest first. What {@link unread} has comes to be known by the way, before the rows behind it. */
  *rows(afterSeq = Number.MIN_SAFE_INTEGER): Generator<LogRow, void> {
    const moved = this.#moved.recordedBooks().map((bookId) => this.#movedOf(bookId, afterSeq));
    const streams = [this.#table(afterSeq), ...moved];
    const heads = streams.map((stream) => stream.next());
    for (;;) {
      let oldest: { readonly row: LogRow; readonly at: number } | undefined;
      for (const [at, head] of heads.entries())
        if (head.done !== true && (oldest === undefined || head.value.seq < oldest.row.seq))
          oldest = { row: head.value, at };
      if (oldest === undefined) return;
      heads[oldest.at] = (streams[oldest.at] as Generator<LogRow, void>).next();
      yield oldest.row;
    }
  }

  /** Those that are in segments only, book by book. */
  *movedRows(): Generator<LogRow, void> {
    for (const bookId of this.#moved.recordedBooks()) yield* this.#movedOf(bookId, 0);
  }

  /** Whether rows of a book between two positions may be there that cannot be read; of any book if none is named. */
  hidesBetween(afterSeq: number, before: number, bookId?: string): boolean {
    return this.unread.some(
      ({ segment }) =>
        (bookId === undefined || segment.bookId === bookId) &&
        segment.firstSeq < before &&
        segment.lastSeq > afterSeq,
    );
  }

  *#table(afterSeq: number): Generator<LogRow, void> {
    const page = this.#reader.database.prepare<unknown[], LogRow>(
      `SELECT * FROM audit_log WHERE seq > ? ORDER BY seq LIMIT ${PAGE_ROWS}`,
    );
    for (let after = afterSeq; ; ) {
      const rows = page.all(after);
      yield* rows;
      if (rows.length < PAGE_ROWS) return;
      after = (rows.at(-1) as LogRow).seq;
    }
  }

  /** Rows that are not in the table, though they should be, are left out, too: they are missing. */
  *#movedOf(bookId: BookId, afterSeq: number): Generator<LogRow, void> {
    const horizon = this.#moved.horizonOf(bookId);
    let previous = NO_SEGMENT;
    for (const segment of this.#moved.segments(bookId)) {
      const rows = segment.lastSeq > afterSeq ? this.#rowsOf(segment, previous) : [];
      previous = segment.sha256;
      for (const row of rows)
        if (row.seq > afterSeq && this.#isHere.get(row.seq) === undefined && this.#mayBeAway(row, horizon))
          yield row;
    }
  }

  #rowsOf(segment: Segment, previous: string): readonly LogRow[] {
    try {
      // Not what was opened before: whoever checks reads what is there now.
      const rows = openSegment(segment, this.#moved.bytesOf(segment));
      if (segment.previous === previous) return rows;
      this.#note(
        segment,
        `The segment that has ${segmentText(segment)} does not follow the one before it.`,
        "Compare the store with a backup: the list of segments was changed.",
      );
    } catch (error) {
      if (!(error instanceof PfsError)) throw error;
      this.#note(segment, error.message, error.hint ?? "");
    }
    return [];
  }

  #note(segment: Segment, message: string, hint: string): void {
    if (!this.unread.some((each) => each.segment.sha256 === segment.sha256))
      this.unread.push({ segment, message, hint });
  }

  #mayBeAway({ book_id, path, user_id, seq, status, operation, file_id }: LogRow, horizon: number): boolean {
    if (seq >= horizon) return false;
    if (status === "refused") return true;
    if (operation !== "update" && operation !== "attributes") return false;
    return this.#isSuperseded.get(book_id, path, user_id, seq, horizon, file_id) !== undefined;
  }
}
