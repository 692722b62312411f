/**
 * Owns reading which files one layer of a book had at a position of the log: per path the last row up to there. Reads
 * what it is asked for, never the whole book. Must never look at the journal: the past is the log's alone.
 */
import type { Database, Statement } from "better-sqlite3";
import type { BlobHash, BookId, FileId, Seq, UserId } from "../../schema/ids.ts";
import type { TreePath } from "../../schema/paths.ts";
import type { BookFile } from "../reader.ts";
import { refuseMoved } from "../retention/refuse-moved.ts";
import { fromQuotient } from "../time.ts";
import { type PastView, type PathRange, rangeBelow } from "./past-view.ts";

interface Row {
  readonly path: TreePath;
  readonly sha256: BlobHash;
  readonly size: number;
  readonly mode: number;
  readonly mtimeS: number;
  readonly mtimeN: number;
  readonly fileId: FileId;
}

const COLUMNS = `a.path, a.new_hash AS sha256, a.size, a.mode, a.file_id AS fileId,
  CAST(a.mtime AS INTEGER) / 1000000000 AS mtimeS, CAST(a.mtime AS INTEGER) % 1000000000 AS mtimeN`;

// All parameters with a plus: a bare one would make SQLite plan anew for every value (STAT4).
const lastRow = (path: string): string => `(SELECT seq FROM audit_log INDEXED BY audit_log_path
  WHERE book_id = +:book AND path = ${path} AND user_id = +:layer AND seq <= +:seq AND status = 'ok' ORDER BY seq DESC LIMIT 1)`;
const nextPath = (bound: string): string => `(SELECT path FROM audit_log INDEXED BY audit_log_path
  WHERE book_id = +:book AND ${bound} AND path < +:end ORDER BY path LIMIT 1)`;

// From name to name by the index, however many rows each has; within it, one search for the row that counts.
const NAMES = `WITH RECURSIVE name (path) AS (
    SELECT ${nextPath("path >= +:from")}
    UNION ALL SELECT ${nextPath("path > name.path")} FROM name WHERE name.path IS NOT NULL)`;
const SELECT_RANGE = `${NAMES}
  SELECT ${COLUMNS} FROM name CROSS JOIN audit_log a
  WHERE a.seq = ${lastRow("name.path")} AND a.new_hash IS NOT NULL`;

const PAGE_FILES = 200;

export class PastFiles implements PastView {
  readonly #database: Database;
  readonly #key: { readonly book: BookId; readonly layer: UserId };
  readonly #file: Statement<unknown[], Row>;
  readonly #range: Statement<unknown[], Row>;
  readonly #first: Statement<unknown[], Row>;
  readonly #page: Statement<unknown[], Row>;
  readonly #paths: Statement<unknown[], string>;

  constructor(database: Database, bookId: BookId, layer: UserId) {
    this.#database = database;
    this.#key = { book: bookId, layer };
    this.#file = database.prepare(
      `SELECT ${COLUMNS} FROM audit_log a WHERE a.seq = ${lastRow("+:path")} AND a.new_hash IS NOT NULL`,
    );
    this.#range = database.prepare(SELECT_RANGE);
    this.#first = database.prepare(`${SELECT_RANGE} LIMIT 1`);
    this.#page = database.prepare(`${SELECT_RANGE} LIMIT ${PAGE_FILES}`);
    this.#paths = database
      .prepare<unknown[], string>(`${NAMES} SELECT path FROM name WHERE path IS NOT NULL LIMIT +:limit`)
      .pluck();
  }

  /** @throws PfsError UNAVAILABLE, as all that are asked for a position: rows have moved into segments since it was found */
  file(path: string, seq: Seq): BookFile | undefined {
    const row = this.#file.get({ ...this.#key, path, seq });
    this.#refuseMoved(seq);
    return row === undefined ? undefined : toFile(row);
  }

  *filesIn(range: PathRange, seq: Seq): Generator<BookFile, void> {
    let isChecked = false;
    for (const row of this.#range.iterate({ ...this.#key, ...range, seq })) {
      if (!isChecked) this.#refuseMoved(seq);
      isChecked = true;
      yield toFile(row);
    }
    if (!isChecked) this.#refuseMoved(seq);
  }

  /** All files, as {@link filesIn}, in pages: between two of them the connection may do anything. */
  *pages(seq: Seq): Generator<BookFile[], void> {
    const { from, end } = rangeBelow("");
    for (let next = from; ; ) {
      const page = this.#page.all({ ...this.#key, from: next, end, seq }).map(toFile);
      this.#refuseMoved(seq);
      if (page.length > 0) yield page;
      if (page.length < PAGE_FILES) return;
      next = after((page.at(-1) as BookFile).path);
    }
  }

  /** Every path that the log knows of the book, in any layer and at any time, in pages; bytewise sorted. */
  *pathPages(limit: number): Generator<string[], void> {
    const { from, end } = rangeBelow("");
    for (let next = from; ; ) {
      const page = this.#paths.all({ book: this.#key.book, from: next, end, limit });
      if (page.length > 0) yield page;
      if (page.length < limit) return;
      next = after(page.at(-1) as string);
    }
  }

  /** The file at a path and those below it, as {@link filesIn}; "" is the whole book. */
  *filesOf(path: string, seq: Seq): Generator<BookFile, void> {
    const single = path === "" ? undefined : this.file(path, seq);
    if (single !== undefined) yield single;
    yield* this.filesIn(rangeBelow(path), seq);
  }

  hasDirectory(path: string, seq: Seq): boolean {
    const first = this.#first.get({ ...this.#key, ...rangeBelow(path), seq });
    this.#refuseMoved(seq);
    return first !== undefined;
  }

  /** After what was read, which is as the table was before rows were moved, or all of it after. */
  #refuseMoved(seq: Seq): void {
    refuseMoved(this.#database, this.#key.book, seq);
  }
}

/** The first path that may come behind another: none has a NUL in it. */
function after(path: string): string {
  return `${path}\0`;
}

function toFile({ path, sha256, size, mode, mtimeS, mtimeN, fileId }: Row): BookFile {
  return { path, sha256, sizeBytes: size, mode, mtime: fromQuotient(mtimeS, mtimeN), fileId };
}
