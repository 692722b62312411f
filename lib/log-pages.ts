/**
 * Owns reading the log forward, a page at a time, from the thread that writes it: what costs more than a page must be asked
 * for again. Must never look at many rows that it does not give out, but for other books' in one store.
 */
import type { Statement } from "better-sqlite3";
import type { BookId, UserId } from "../schema/ids.ts";
import type { LogRow } from "../schema/log-row.ts";
import { lastRowUntil } from "./past/position.ts";
import { MovedRows } from "./retention/moved-rows.ts";
import type { Store } from "./store.ts";

/** Rows of a page: some 100 KB of JSON, made in about a millisecond. */
export const PAGE_ROWS = 200;

/** The rows of one book, or of one path of it, up to a position. */
export interface LogRange {
  readonly bookId: BookId;
  readonly path?: string | undefined;
  readonly untilSeq: number;
}

/** A part of a range, and where the next begins. */
export interface LogPage {
  /** Oldest first; there may be none although others come later. */
  readonly rows: readonly LogRow[];
  /** There are no others up to here: at the range's end it is `untilSeq`. */
  readonly upTo: number;
}

/** Of rows of one path, which lie far apart, so many segments are opened for a page. */
const PAGE_SEGMENTS = 2;

export class LogPages {
  readonly #store: Store;
  readonly #moved: MovedRows;
  readonly #book: Statement<unknown[], LogRow>;
  readonly #path: Statement<unknown[], LogRow>;
  readonly #row: Statement<unknown[], LogRow>;
  readonly #latest: Statement<unknown[], string>;
  readonly #latestInLayer: Statement<unknown[], string>;
  readonly #below: Statement<unknown[], 1>;

  constructor(store: Store) {
    this.#store = store;
    const { database } = store;
    this.#moved = MovedRows.of(database);
    // The book's index has the rows by path: with `+` the table gives them by seq.
    this.#book = database.prepare(
      `SELECT * FROM audit_log WHERE seq > ? AND seq <= ? AND +book_id = ? ORDER BY seq LIMIT ${PAGE_ROWS}`,
    );
    this.#path = database.prepare(
      `SELECT * FROM audit_log INDEXED BY audit_log_path WHERE seq > ? AND seq <= ? AND book_id = ? AND path = ?
       ORDER BY seq LIMIT ${PAGE_ROWS}`,
    );
    this.#row = database.prepare("SELECT * FROM audit_log WHERE seq = ?");
    this.#latest = database
      .prepare<unknown[], string>(
        `SELECT timestamp FROM audit_log INDEXED BY audit_log_path WHERE book_id = ? AND path = ?
         ORDER BY seq DESC LIMIT 1`,
      )
      .pluck();
    this.#latestInLayer = database
      .prepare<unknown[], string>(
        `SELECT timestamp FROM audit_log INDEXED BY audit_log_path WHERE book_id = ? AND path = ? AND user_id = ?
         ORDER BY seq DESC LIMIT 1`,
      )
      .pluck();
    this.#below = database
      .prepare<unknown[], 1>(
        "SELECT 1 FROM audit_log INDEXED BY audit_log_path WHERE book_id = ? AND path > ? AND path < ? LIMIT 1",
      )
      .pluck();
  }

  /** The next rows of a range after `afterSeq`: {@link PAGE_ROWS} at the most. @throws PfsError CORRUPT: a segment is damaged */
  page(range: LogRange, afterSeq: number): LogPage {
    this.#store.read();
    const { bookId, path, untilSeq } = range;
    if (afterSeq >= untilSeq) return { rows: [], upTo: untilSeq };
    const horizon = this.#moved.horizonOf(bookId);
    if (afterSeq < horizon) return this.#movedPage(range, afterSeq, Math.min(untilSeq, horizon));
    const rows =
      path === undefined
        ? this.#book.all(afterSeq, untilSeq, bookId)
        : this.#path.all(afterSeq, untilSeq, bookId, path);
    return { rows, upTo: rows.length < PAGE_ROWS ? untilSeq : rows.at(-1)!.seq };
  }

  /** The same, of rows that are in segments, be they in the table, too. */
  #movedPage({ bookId, path }: LogRange, afterSeq: number, untilSeq: number): LogPage {
    const segments =
      path === undefined
        ? this.#moved.segments(bookId, afterSeq, untilSeq + 1)
        : this.#moved.segmentsOfPath(bookId, path, afterSeq, untilSeq + 1);
    const rows: LogRow[] = [];
    for (const segment of segments.slice(0, PAGE_SEGMENTS)) {
      for (const row of this.#moved.rowsOf(segment)) {
        if (row.seq <= afterSeq || row.seq > untilSeq || (path !== undefined && row.path !== path)) continue;
        rows.push(row);
        if (rows.length === PAGE_ROWS) return { rows, upTo: row.seq };
      }
    }
    const upTo = segments.length > PAGE_SEGMENTS ? segments[PAGE_SEGMENTS - 1]!.lastSeq : untilSeq;
    return { rows, upTo: Math.min(upTo, untilSeq) };
  }

  /** The row at a position that there is. @throws PfsError CORRUPT: it is in a segment that is damaged */
  row(seq: number): LogRow {
    this.#store.read();
    return (this.#row.get(seq) ?? this.#moved.row(seq)) as LogRow;
  }

  /** When something was last said of a path, in any layer or in one of these, ISO 8601; undefined when nothing ever was. */
  latestOf(bookId: BookId, path: string, layers?: readonly UserId[]): string | undefined {
    this.#store.read();
    if (layers === undefined) return this.#latest.get(bookId, path);
    const times = layers.map((layer) => this.#latestInLayer.get(bookId, path, layer) ?? "");
    return times.sort().at(-1) || undefined;
  }

  /** Position of the last row before a time (milliseconds since 1970), whatever book it is of; 0 when there is none. */
  lastBefore(timeMs: number): number {
    this.#store.read();
    return lastRowUntil(this.#store.database, new Date(timeMs - 1).toISOString()) ?? 0;
  }

  /** Whether anything was ever said of a path below a directory. */
  hasBelow(bookId: BookId, directory: string): boolean {
    this.#store.read();
    // "0" is the character after "/".
    return this.#below.get(bookId, `${directory}/`, `${directory}0`) !== undefined;
  }
}
