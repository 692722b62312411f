/**
 * Owns looking for rows that fit a question forward through the log, a bounded piece at a time: there is no index by agent or
 * operation, as one would make every save dearer (ARCHITECTURE.md). Must never give out rows, only where they are.
 */
import { setImmediate as breathe } from "node:timers/promises";
import type { Database } from "better-sqlite3";
import type { BookId } from "../schema/ids.ts";
import { PathGlob } from "../schema/path-glob.ts";
import { type LogQuery, logConditions } from "./history.ts";
import { MovedRows } from "./retention/moved-rows.ts";
import { rowMatcher } from "./row-matcher.ts";

/** What rows are looked for, after one position and up to another. Can be sent to another thread. */
export interface LogSearch {
  readonly query: Pick<
    LogQuery,
    "bookId" | "path" | "glob" | "userId" | "layers" | "agent" | "operation" | "status"
  >;
  readonly afterSeq: number;
  readonly untilSeq: number;
  /** Somebody waits for the first of them: a few at once rather than many later. */
  readonly soon?: boolean;
}

export interface FoundRows {
  /** Their positions, ascending. */
  readonly seqs: readonly number[];
  /** There are no others up to here. */
  readonly upTo: number;
}

/** Rows that are looked at in one go: some 5 ms, of paths by a pattern 50. */
const PIECE_ROWS = 20_000;
/** As many as one answer holds. */
const MAX_FOUND = 10_000;
/** When somebody waits for the first, so many are looked for at once, in so many rows before it is a whole piece. */
const SOON_FOUND = 200;
const SOON_ROWS = 2000;
/** Of a path that has no more rows, finding them takes a millisecond or three. */
const QUICK_ROWS = 1000;
/** Paths that are looked at in one go: some 5 ms. */
const PIECE_PATHS = 1000;
/** Beyond these, looking through the rows is as quick: of what many paths fit, something is soon found. */
const MANY: PathLimits = { paths: 100_000, fitting: 2000, rows: 100_000 };
/** So many are found in less time than a piece of rows is looked through. */
const FEW: PathLimits = { paths: PIECE_PATHS, fitting: 200, rows: PIECE_ROWS };

interface PathLimits {
  /** That are looked at. */
  readonly paths: number;
  readonly fitting: number;
  readonly rows: number;
}

/** Looks on until it has found `enough` or has come to the end, and lets others have the thread in between. */
export async function searchLog(database: Database, search: LogSearch, enough: number): Promise<FoundRows> {
  let { afterSeq } = search;
  const seqs: number[] = [];
  while (isMoved(database, { ...search, afterSeq })) {
    const found = searchPiece(database, { ...search, afterSeq });
    seqs.push(...found.seqs);
    afterSeq = found.upTo;
    if (seqs.length > 0 || afterSeq >= search.untilSeq) return { seqs, upTo: afterSeq };
    await breathe();
  }
  if (search.soon === true && search.query.glob !== undefined) {
    // What fits is often among the next rows, and finding it by its paths takes longer, unless the pattern begins with a
    // directory that has few of them.
    for (const rows of [SOON_ROWS, PIECE_ROWS]) {
      const untilSeq = Math.min(search.untilSeq, afterSeq + rows);
      const found = searchPiece(database, { ...search, afterSeq, untilSeq });
      if (found.seqs.length > 0 || untilSeq === search.untilSeq) return found;
      afterSeq = untilSeq;
      const few =
        rows === SOON_ROWS ? await searchByPaths(database, { ...search, afterSeq }, FEW) : undefined;
      if (few !== undefined && !isMoved(database, { ...search, afterSeq })) return few;
    }
  }
  const byPaths = await searchByPaths(database, { ...search, afterSeq }, MANY);
  // Rows may have been moved from one path to the next.
  if (isMoved(database, { ...search, afterSeq }))
    return await searchLog(database, { ...search, afterSeq }, enough);
  if (byPaths !== undefined) return byPaths;
  for (;;) {
    const found = searchPiece(database, { ...search, afterSeq });
    seqs.push(...found.seqs);
    afterSeq = found.upTo;
    if (afterSeq >= search.untilSeq || seqs.length >= enough) return { seqs, upTo: afterSeq };
    await breathe();
  }
}

/** Whether {@link searchPiece} finds all of it sooner than another thread could be asked. */
export function isQuick(database: Database, search: LogSearch): boolean {
  const { query } = search;
  const { bookId, path } = query;
  if (bookId === undefined || path === undefined || isMoved(database, search)) return false;
  const rows = database
    .prepare<unknown[], number>(
      `SELECT count(*) FROM (SELECT 1 FROM audit_log INDEXED BY audit_log_path
       WHERE book_id = ? AND path = ? LIMIT ${QUICK_ROWS + 1})`,
    )
    .pluck();
  return (rows.get(bookId, path) as number) <= QUICK_ROWS;
}

/** The next piece. It comes to an end also where nothing fits. */
export function searchPiece(database: Database, search: LogSearch): FoundRows {
  if (isMoved(database, search)) return searchSegment(database, search);
  const found = searchTable(database, search);
  // Rows may have been moved while it was looked through.
  return isMoved(database, search) ? searchSegment(database, search) : found;
}

/** Whether rows that come next may be in segments only. */
function isMoved(database: Database, { query: { bookId }, afterSeq, untilSeq }: LogSearch): boolean {
  return bookId !== undefined && afterSeq < untilSeq && afterSeq < MovedRows.of(database).horizonOf(bookId);
}

/** The next piece is the next segment, which has every row of the book. */
function searchSegment(database: Database, { query, afterSeq, untilSeq }: LogSearch): FoundRows {
  const moved = MovedRows.of(database);
  const bookId = query.bookId as BookId;
  const horizon = moved.horizonOf(bookId);
  const [next] =
    query.path === undefined
      ? moved.segments(bookId, afterSeq, horizon + 1)
      : moved.segmentsOfPath(bookId, query.path, afterSeq, horizon + 1);
  if (next === undefined) return { seqs: [], upTo: Math.min(untilSeq, horizon) };
  const fits = rowMatcher(query);
  const seqs = moved
    .rowsOf(next)
    .filter((row) => row.seq > afterSeq && row.seq <= untilSeq && fits(row))
    .map(({ seq }) => seq);
  return { seqs, upTo: Math.min(untilSeq, next.lastSeq) };
}

function searchTable(database: Database, { query, afterSeq, untilSeq, soon = false }: LogSearch): FoundRows {
  const most = soon ? SOON_FOUND : MAX_FOUND;
  const byPath = query.path !== undefined;
  const end = byPath ? untilSeq : Math.min(untilSeq, afterSeq + PIECE_ROWS);
  const { sql, values } = logConditions(database, query, { byPath });
  const seqs = database
    .prepare<unknown[], number>(
      `SELECT seq FROM audit_log WHERE seq > ? AND seq <= ? ${sql} ORDER BY seq LIMIT ${most}`,
    )
    .pluck()
    .all(afterSeq, end, ...values);
  return { seqs, upTo: seqs.length < most ? end : (seqs.at(-1) as number) };
}

/** Of a pattern that few paths fit the rows of these; undefined when it is another question. */
async function searchByPaths(
  database: Database,
  search: LogSearch,
  limits: PathLimits,
): Promise<FoundRows | undefined> {
  const { query, afterSeq, untilSeq } = search;
  const { bookId, glob, ...others } = query;
  if (bookId === undefined || glob === undefined || untilSeq - afterSeq <= PIECE_ROWS) return undefined;
  const paths = await fittingPaths(database, bookId, new PathGlob(glob), limits);
  if (paths === undefined) return undefined;
  const { sql, values } = logConditions(database, others, { byPath: true });
  const rowsOf = database
    .prepare<unknown[], number>(
      `SELECT seq FROM audit_log INDEXED BY audit_log_path
       WHERE book_id = ? AND path = ? AND seq > ? AND seq <= ? ${sql} LIMIT ${limits.rows + 1}`,
    )
    .pluck();
  const seqs: number[] = [];
  for (const [index, path] of paths.entries()) {
    for (const seq of rowsOf.all(bookId, path, afterSeq, untilSeq, ...values)) seqs.push(seq);
    if (seqs.length > limits.rows) return undefined;
    if (index % 100 === 99) await breathe();
  }
  seqs.sort((a, b) => a - b);
  const found = seqs.slice(0, MAX_FOUND);
  return { seqs: found, upTo: seqs.length > MAX_FOUND ? (found.at(-1) as number) : untilSeq };
}

/** The paths of a book that fit, of all that the log knows; undefined when there are too many. */
async function fittingPaths(
  database: Database,
  bookId: BookId,
  glob: PathGlob,
  limits: PathLimits,
): Promise<string[] | undefined> {
  // From path to path: how many rows each has costs nothing.
  const next = database
    .prepare<unknown[], string>(
      `WITH RECURSIVE known (path) AS (
         SELECT min(path) FROM audit_log INDEXED BY audit_log_path WHERE book_id = +:book AND path >= +:from AND path < +:end
         UNION ALL
         SELECT (SELECT min(path) FROM audit_log INDEXED BY audit_log_path
                 WHERE book_id = +:book AND path > known.path AND path < +:end)
         FROM known WHERE known.path IS NOT NULL LIMIT ${PIECE_PATHS})
       SELECT path FROM known WHERE path IS NOT NULL`,
    )
    .pluck();
  const fitting: string[] = [];
  const end = `${glob.prefix}\u{10ffff}`;
  let from = glob.prefix;
  for (let count = 0; count < limits.paths; count += PIECE_PATHS) {
    const paths = next.all({ book: bookId, from, end });
    for (const path of paths) if (glob.matches(path)) fitting.push(path);
    if (fitting.length > limits.fitting) return undefined;
    if (paths.length < PIECE_PATHS) return fitting;
    // No path has a NUL in it: the first that may come after this one.
    from = `${paths.at(-1)}\0`;
    await breathe();
  }
  return undefined;
}
