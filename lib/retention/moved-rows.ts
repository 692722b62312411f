/**
 * Owns reading rows of the log that lie in segments: which segments a book has, up to where rows may be in them only, and the
 * rows themselves. A segment has every row of its book, those too that are in the table. Must never write.
 */
import type { Database, Statement } from "better-sqlite3";
import type { BlobHash, BookId, Seq } from "../../schema/ids.ts";
import type { LogRow } from "../../schema/log-row.ts";
import type { LogQuery } from "../history.ts";
import { rowMatcher } from "../row-matcher.ts";
import { corruptSegment, openSegment, type Segment } from "./segment.ts";

/** Positions of the log: `from` and all up to, but not, `before`. */
export interface SeqRange {
  readonly from: number;
  readonly before: number;
}

/** So many were opened last: whoever reads on finds the one that he is in. Each is up to a megabyte. */
const KEPT_OPEN = 2;

const SELECT = `SELECT book_id AS bookId, number, first_seq AS firstSeq, last_seq AS lastSeq, rows, first_time AS firstTime,
  last_time AS lastTime, last_hash AS lastHash, sha256, previous FROM log_segment s`;

const ofDatabase = new WeakMap<Database, MovedRows>();

export class MovedRows {
  readonly #horizon: Statement<unknown[], Seq>;
  readonly #books: Statement<unknown[], BookId>;
  readonly #recorded: Statement<unknown[], BookId>;
  readonly #after: Statement<unknown[], Segment>;
  readonly #ofPathAfter: Statement<unknown[], Segment>;
  readonly #last: Statement<unknown[], Segment>;
  readonly #around: Statement<unknown[], Segment>;
  readonly #bytes: Statement<unknown[], Buffer>;
  readonly #version: Statement<unknown[], 1>;
  /** By sha256, the one used last behind the others. */
  readonly #opened = new Map<string, readonly LogRow[]>();

  /** The one of a connection. */
  static of(database: Database): MovedRows {
    let found = ofDatabase.get(database);
    if (found === undefined) {
      found = new MovedRows(database);
      ofDatabase.set(database, found);
    }
    return found;
  }

  private constructor(database: Database) {
    this.#horizon = database
      .prepare<unknown[], Seq>("SELECT moved_seq FROM log_horizon WHERE book_id = ?")
      .pluck();
    this.#books = database
      .prepare<unknown[], BookId>("SELECT book_id FROM log_horizon WHERE moved_seq > 0 ORDER BY book_id")
      .pluck();
    this.#recorded = database
      .prepare<unknown[], BookId>("SELECT DISTINCT book_id FROM log_segment ORDER BY book_id")
      .pluck();
    this.#after = database.prepare(
      `${SELECT} WHERE book_id = ? AND last_seq > ? AND first_seq < ? ORDER BY last_seq`,
    );
    this.#ofPathAfter = database.prepare(
      `${SELECT} WHERE book_id = :book AND last_seq > :after AND first_seq < :before
       AND EXISTS (SELECT 1 FROM moved_path p WHERE p.book_id = :book AND p.path = :path AND p.number = s.number)
       ORDER BY last_seq`,
    );
    this.#last = database.prepare(`${SELECT} WHERE book_id = ? ORDER BY number DESC LIMIT 1`);
    this.#around = database.prepare(`${SELECT} WHERE first_seq <= ? AND last_seq >= ?`);
    this.#version = database
      .prepare<unknown[], 1>("SELECT 1 FROM moved_version WHERE sha256 = unhex(?) AND book_id = ?")
      .pluck();
    this.#bytes = database
      .prepare<unknown[], Buffer>("SELECT bytes FROM log_segment_bytes WHERE sha256 = ?")
      .pluck();
  }

  /** Up to here rows of a book may be in segments only; at this position and after it nothing is missing in the table. 0: nowhere. */
  horizonOf(bookId: BookId): Seq {
    return this.#horizon.get(bookId) ?? (0 as Seq);
  }

  /** The books that have rows in segments only. */
  books(): BookId[] {
    return this.#books.all();
  }

  /** The books that have segments, also if every row is in the table again. */
  recordedBooks(): BookId[] {
    return this.#recorded.all();
  }

  /** The segments of a book with rows after one position and before another, in order. */
  segments(bookId: BookId, afterSeq = 0, before: number = Number.MAX_SAFE_INTEGER): Segment[] {
    return this.#after.all(bookId, afterSeq, before);
  }

  /** The same, of those that have rows of a path. */
  segmentsOfPath(
    bookId: BookId,
    path: string,
    afterSeq = 0,
    before: number = Number.MAX_SAFE_INTEGER,
  ): Segment[] {
    return this.#ofPathAfter.all({ book: bookId, path, after: afterSeq, before });
  }

  lastSegment(bookId: BookId): Segment | undefined {
    return this.#last.get(bookId);
  }

  /** @throws PfsError CORRUPT: they are not here, or not what they were */
  bytesOf(segment: Segment): Uint8Array {
    const bytes = this.#bytes.get(segment.sha256);
    if (bytes === undefined) throw corruptSegment(segment, "its bytes are missing in the store");
    return bytes;
  }

  /** All rows of a segment, oldest first. @throws PfsError CORRUPT */
  rowsOf(segment: Segment): readonly LogRow[] {
    const { sha256 } = segment;
    const rows = this.#opened.get(sha256) ?? openSegment(segment, this.bytesOf(segment));
    this.#opened.delete(sha256);
    this.#opened.set(sha256, rows);
    for (const oldest of this.#opened.keys()) {
      if (this.#opened.size <= KEPT_OPEN) break;
      this.#opened.delete(oldest);
    }
    return rows;
  }

  /** The row at a position, if it is in a segment. @throws PfsError CORRUPT */
  row(seq: number): LogRow | undefined {
    for (const segment of this.#around.all(seq, seq)) {
      const found = this.rowsOf(segment).find((row) => row.seq === seq);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** Whether a path had this version, as rows say that are in segments only. @throws PfsError CORRUPT */
  hasVersion(bookId: BookId, path: string, hash: BlobHash): boolean {
    // Most are of no such row, for which no segment is opened.
    if (this.#version.get(hash, bookId) === undefined) return false;
    return this.segmentsOfPath(bookId, path).some((segment) =>
      this.rowsOf(segment).some((row) => row.path === path && row.new_hash === hash && row.status === "ok"),
    );
  }

  /** The last position in segments, after one that is known, that was reached at a time or before (ISO 8601). @throws PfsError CORRUPT */
  lastUntil(time: string, afterSeq: Seq): Seq {
    let last = afterSeq;
    for (const bookId of this.books()) {
      const segment = this.segments(bookId, last).findLast(({ firstTime }) => firstTime <= time);
      const row =
        segment === undefined
          ? undefined
          : this.rowsOf(segment).findLast(({ timestamp }) => timestamp <= time);
      if (row !== undefined && row.seq > last) last = row.seq as Seq;
    }
    return last;
  }

  /** Rows that fit a question, newest first. A segment is opened when it is come to. @throws PfsError CORRUPT */
  *newestFirst(query: LogQuery, range: SeqRange): Generator<LogRow, void> {
    const books = query.bookId === undefined ? this.books() : [query.bookId];
    const streams = books.map((bookId) => this.#newestOf({ ...query, bookId }, range));
    const heads = streams.map((stream) => stream.next());
    for (;;) {
      let newest: { readonly row: LogRow; readonly at: number } | undefined;
      for (const [at, head] of heads.entries())
        if (head.done !== true && head.value.seq > (newest?.row.seq ?? 0)) newest = { row: head.value, at };
      if (newest === undefined) return;
      yield newest.row;
      heads[newest.at] = (streams[newest.at] as Generator<LogRow, void>).next();
    }
  }

  *#newestOf(
    query: LogQuery & { readonly bookId: BookId },
    { from, before }: SeqRange,
  ): Generator<LogRow, void> {
    const { bookId, path, since, until } = query;
    const after = Math.max(from - 1, query.afterSeq ?? 0);
    const fits = rowMatcher(query);
    const segments =
      path === undefined
        ? this.segments(bookId, after, before)
        : this.segmentsOfPath(bookId, path, after, before);
    for (const segment of segments.reverse()) {
      if (since !== undefined && segment.lastTime < since) return;
      if (until !== undefined && segment.firstTime >= until) continue;
      for (const row of this.rowsOf(segment).toReversed())
        if (row.seq >= from && row.seq < before && fits(row)) yield row;
    }
  }
}
