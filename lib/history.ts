/**
 * Owns reading the log: rows that fit a question, newest first, and one file's history across its renames, be they in the table
 * or in segments. Must never judge what it reads; verify.ts does.
 */
import type { Database } from "better-sqlite3";
import { BASE, type BookId, type UserId } from "../schema/ids.ts";
import type { LogOperation, LogRow, LogStatus } from "../schema/log-row.ts";
import { PathGlob } from "../schema/path-glob.ts";
import { addPathGlob, roughGlob } from "./path-glob-function.ts";
import type { StoreReader } from "./reader.ts";
import { MovedRows } from "./retention/moved-rows.ts";
import { rowMatcher } from "./row-matcher.ts";

/** Which rows are asked for; what is absent does not matter. */
export interface LogQuery {
  readonly bookId?: BookId;
  /** Exactly this path. */
  readonly path?: string;
  /** Everything below this directory. */
  readonly below?: string;
  /** Paths that fit this pattern (PathGlob). */
  readonly glob?: string;
  /** With `path` and `bookId`: goes on at the path that the file was moved from. */
  readonly followRenames?: boolean;
  readonly userId?: UserId;
  /** Of one of these layers. */
  readonly layers?: readonly UserId[];
  readonly agent?: string;
  readonly operation?: LogOperation;
  readonly status?: LogStatus;
  /** Rows with a greater seq only. */
  readonly afterSeq?: number;
  /** Rows with a smaller seq only. */
  readonly beforeSeq?: number;
  /** ISO 8601 UTC; rows at that time or later. */
  readonly since?: string;
  /** ISO 8601 UTC; rows before that time. */
  readonly until?: string;
  /** At most this many rows. */
  readonly limit?: number;
}

const PAGE_ROWS = 500;

/** Rows of the log, newest first. Reads as it is asked, a page at a time. @throws PfsError CORRUPT: a segment is damaged */
export function* readLog(reader: StoreReader, query: LogQuery): Generator<LogRow, void> {
  let left = query.limit ?? Number.POSITIVE_INFINITY;
  const follows = query.followRenames === true && query.path !== undefined && query.bookId !== undefined;
  for (const row of follows ? followFile(reader, query) : readMatching(reader, query)) {
    if (left-- <= 0) return;
    yield row;
  }
}

/**
 * The path's own rows back to where the file came there that it had last, then that file's rows under its earlier name, and
 * so on. Other files that were at the path meanwhile are in its rows, and not followed.
 */
function* followFile(reader: StoreReader, query: LogQuery): Generator<LogRow, void> {
  const { bookId, userId, path, operation, status, agent, since, until, ...range } = query;
  const shown = rowMatcher(only({ operation, status, agent, since, until }));
  let place: LogQuery = { ...range, ...only({ bookId, userId, path }) };
  const fileId = lastFileAt(reader, place);
  for (let isFirst = true; ; isFirst = false) {
    const moved = yield* followPath(
      reader,
      place,
      fileId,
      (row) => (isFirst || row.file_id === fileId) && shown(row),
    );
    if (moved === undefined) return;
    place = { ...place, path: moved.prev_path as string, beforeSeq: moved.seq };
  }
}

/** The file that a path had last, in the base if it has ever had one there. */
function lastFileAt(reader: StoreReader, place: LogQuery): number | null {
  const { bookId, path, userId, beforeSeq } = place;
  const at = { ...only({ bookId, path, beforeSeq }), status: "ok", limit: 1 } as const;
  for (const layer of userId === undefined ? [BASE, undefined] : [userId]) {
    const [row] = readLog(reader, layer === undefined ? at : { ...at, userId: layer });
    if (row !== undefined) return row.file_id;
  }
  return null;
}

/** Yields the rows of one name of a file; returns the row by which it came to that name. */
function* followPath(
  reader: StoreReader,
  place: LogQuery,
  fileId: number | null,
  shown: (row: LogRow) => boolean,
): Generator<LogRow, LogRow | undefined> {
  for (const row of readMatching(reader, place)) {
    if (shown(row)) yield row;
    const isArrival = row.operation === "rename" && row.status === "ok" && row.prev_path !== null;
    if (isArrival && row.file_id === fileId) return row;
  }
  return undefined;
}

function* readMatching(reader: StoreReader, query: LogQuery): Generator<LogRow, void> {
  const { sql, values } = logConditions(reader.database, query, { byPath: query.path !== undefined });
  const statement = reader.database.prepare<unknown[], LogRow>(
    `SELECT * FROM audit_log WHERE seq < ? ${sql} ORDER BY seq DESC LIMIT ?`,
  );
  const moved = MovedRows.of(reader.database);
  let before = query.beforeSeq ?? Number.MAX_SAFE_INTEGER;
  for (;;) {
    // Looked at on both sides: rows may be moved while the page is read, or brought back.
    const horizonBefore = horizonOf(moved, query);
    const rows = statement.all(before, ...values, PAGE_ROWS);
    const horizon = Math.max(horizonBefore, horizonOf(moved, query));
    const isLast = rows.length < PAGE_ROWS;
    const from = isLast ? 1 : rows.at(-1)!.seq;
    if (from > horizon) yield* rows;
    else {
      const range = { from, before: Math.min(before, horizon + 1) };
      yield* merged(rows, moved.newestFirst(query, range), horizon);
    }
    if (isLast) return;
    before = rows.at(-1)!.seq;
  }
}

/** Of the books that are asked about. */
function horizonOf(moved: MovedRows, { bookId }: LogQuery): number {
  const books = bookId === undefined ? moved.books() : [bookId];
  return Math.max(0, ...books.map((each) => moved.horizonOf(each)));
}

/** Both are newest first, and what is in both is given once. Segments are not opened before rows up to `horizon` are asked for. */
function* merged(
  rows: readonly LogRow[],
  moved: Generator<LogRow, void>,
  horizon: number,
): Generator<LogRow, void> {
  let at = 0;
  while (at < rows.length && rows[at]!.seq > horizon) yield rows[at++]!;
  let next = moved.next();
  while (at < rows.length || next.done !== true) {
    const row = rows[at];
    if (next.done === true || (row !== undefined && row.seq >= next.value.seq)) {
      if (next.done !== true && next.value.seq === row?.seq) next = moved.next();
      yield row!;
      at++;
    } else {
      yield next.value;
      next = moved.next();
    }
  }
}

/** The index has a path's rows layer by layer: where there is one only, naming it gives them in order without sorting. */
function withOnlyLayer(database: Database, query: LogQuery): LogQuery {
  const { bookId, path, userId } = query;
  if (bookId === undefined || path === undefined || userId !== undefined) return query;
  const layers = database
    .prepare<unknown[], UserId>(
      `WITH RECURSIVE layer (id) AS (
         SELECT min(user_id) FROM audit_log WHERE book_id = +:book AND path = +:path
         UNION ALL SELECT (SELECT min(user_id) FROM audit_log WHERE book_id = +:book AND path = +:path AND user_id > id)
         FROM layer WHERE id IS NOT NULL)
       SELECT id FROM layer WHERE id IS NOT NULL LIMIT 2`,
    )
    .pluck()
    .all({ book: bookId, path });
  return layers.length === 1 ? { ...query, userId: layers[0]! } : query;
}

/** Rows newest first with their positions alone in memory, oldest first. */
export function* oldestFirst(reader: StoreReader, rows: Iterable<LogRow>): Generator<LogRow, void> {
  const seqs: number[] = [];
  for (const { seq } of rows) seqs.push(seq);
  const select = reader.database.prepare<unknown[], LogRow>("SELECT * FROM audit_log WHERE seq = ?");
  const moved = MovedRows.of(reader.database);
  for (let at = seqs.length - 1; at >= 0; at--)
    yield (select.get(seqs[at]) ?? moved.row(seqs[at]!)) as LogRow;
}

/**
 * The conditions of a query for a WHERE, each after an AND, and their values; positions, renames and the limit are left out.
 * @param byPath its index is to give the rows: with a path it has them in order. Else the table is read by position.
 * @throws PfsError USAGE for a malformed pattern
 */
export function logConditions(
  database: Database,
  asked: LogQuery,
  { byPath }: { readonly byPath: boolean },
): { sql: string; values: unknown[] } {
  const query = withOnlyLayer(database, asked);
  const [book, path] = byPath ? ["book_id", "path"] : ["+book_id", "+path"];
  const prefix = globPrefix(database, query);
  const below = query.below === undefined || query.below === "" ? undefined : query.below;
  const parts: [string, unknown][] = [
    [`${book} = ?`, query.bookId],
    ["path = ?", query.path],
    ["+path > ?", below === undefined ? undefined : `${below}/`],
    ["+path < ?", below === undefined ? undefined : `${below}0`],
    [`${path} >= ?`, prefix],
    [`${path} < ?`, prefix === undefined ? undefined : `${prefix}\u{10ffff}`],
    ["user_id = ?", query.userId],
    ["user_id IN (SELECT value FROM json_each(?))", query.layers && JSON.stringify(query.layers)],
    ["agent_id = ?", query.agent],
    ["operation = ?", query.operation],
    ["status = ?", query.status],
    ["seq > ?", query.afterSeq],
    ["timestamp >= ?", query.since],
    ["timestamp < ?", query.until],
    ["+path GLOB ?", query.glob === undefined ? undefined : roughGlob(query.glob)],
    ["path_glob(?, path)", query.glob],
  ];
  const given = parts.filter(([, value]) => value !== undefined);
  return {
    sql: given.map(([condition]) => `AND ${condition}`).join(" "),
    values: given.map(([, value]) => value),
  };
}

/** What the paths begin with that are asked for, if that says anything. */
function globPrefix(database: Database, { glob }: LogQuery): string | undefined {
  if (glob === undefined) return undefined;
  addPathGlob(database);
  const { prefix } = new PathGlob(glob);
  return prefix === "" ? undefined : prefix;
}

/** Without what is undefined. */
function only<Fields extends object>(fields: Fields): { [Key in keyof Fields]?: NonNullable<Fields[Key]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
