/**
 * Owns reading the log: rows that fit a question, newest first, and one file's history across its renames. Must never
 * judge what it reads; verify.ts does.
 */
import type { BookId, UserId } from "../schema/ids.ts";
import type { LogOperation, LogRow, LogStatus } from "../schema/log-row.ts";
import type { StoreReader } from "./reader.ts";

/** Which rows are asked for; what is absent does not matter. */
export interface LogQuery {
  readonly bookId?: BookId;
  /** Exactly this path. */
  readonly path?: string;
  /** Everything below this directory. */
  readonly below?: string;
  /** With `path` and `bookId`: goes on at the path that the file was moved from. */
  readonly followRenames?: boolean;
  readonly userId?: UserId;
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

/** Rows of the log, newest first. Reads as it is asked, a page at a time. */
export function* readLog(reader: StoreReader, query: LogQuery): Generator<LogRow, void> {
  let left = query.limit ?? Number.POSITIVE_INFINITY;
  const follows = query.followRenames === true && query.path !== undefined && query.bookId !== undefined;
  for (const row of follows ? followFile(reader, query) : readMatching(reader, query)) {
    if (left-- <= 0) return;
    yield row;
  }
}

/** The path's own rows back to where a file was moved there, then that file's rows under its earlier name, and so on. */
function* followFile(reader: StoreReader, query: LogQuery): Generator<LogRow, void> {
  const { bookId, userId, path, operation, status, agent, since, until, ...range } = query;
  const shown = matcher(query);
  let place: LogQuery = { ...range, ...only({ bookId, userId, path }) };
  let fileId: number | null | undefined;
  for (;;) {
    const moved = yield* followPath(reader, place, fileId, shown);
    if (moved === undefined) return;
    fileId = moved.file_id;
    place = { ...place, path: moved.prev_path as string, beforeSeq: moved.seq };
  }
}

/** Yields the rows of one name of a file; returns the row by which it came to that name. */
function* followPath(
  reader: StoreReader,
  place: LogQuery,
  fileId: number | null | undefined,
  shown: (row: LogRow) => boolean,
): Generator<LogRow, LogRow | undefined> {
  for (const row of readMatching(reader, place)) {
    // Under an earlier name there may have been other files before and after.
    if (fileId !== undefined && row.file_id !== fileId) continue;
    if (shown(row)) yield row;
    if (row.operation === "rename" && row.status === "ok" && row.prev_path !== null) return row;
  }
  return undefined;
}

function matcher({ operation, status, agent, since, until }: LogQuery): (row: LogRow) => boolean {
  return (row) =>
    (operation === undefined || row.operation === operation) &&
    (status === undefined || row.status === status) &&
    (agent === undefined || row.agent_id === agent) &&
    (since === undefined || row.timestamp >= since) &&
    (until === undefined || row.timestamp < until);
}

function* readMatching(reader: StoreReader, query: LogQuery): Generator<LogRow, void> {
  const { sql, values } = conditions(query);
  const statement = reader.database.prepare<unknown[], LogRow>(
    `SELECT * FROM audit_log WHERE seq < ? ${sql} ORDER BY seq DESC LIMIT ?`,
  );
  let before = query.beforeSeq ?? Number.MAX_SAFE_INTEGER;
  for (;;) {
    const rows = statement.all(before, ...values, PAGE_ROWS);
    yield* rows;
    if (rows.length < PAGE_ROWS) return;
    before = rows.at(-1)!.seq;
  }
}

function conditions(query: LogQuery): { sql: string; values: unknown[] } {
  // With a path its index gives the rows in order; without one, reading backwards from the end is what gives the newest.
  const book = query.path === undefined ? "+book_id" : "book_id";
  const below = query.below === undefined || query.below === "" ? undefined : query.below;
  const parts: [string, unknown][] = [
    [`${book} = ?`, query.bookId],
    ["path = ?", query.path],
    ["+path > ?", below === undefined ? undefined : `${below}/`],
    ["+path < ?", below === undefined ? undefined : `${below}0`],
    ["user_id = ?", query.userId],
    ["agent_id = ?", query.agent],
    ["operation = ?", query.operation],
    ["status = ?", query.status],
    ["seq > ?", query.afterSeq],
    ["timestamp >= ?", query.since],
    ["timestamp < ?", query.until],
  ];
  const given = parts.filter(([, value]) => value !== undefined);
  return {
    sql: given.map(([condition]) => `AND ${condition}`).join(" "),
    values: given.map(([, value]) => value),
  };
}

/** Without what is undefined. */
function only<Fields extends object>(fields: Fields): { [Key in keyof Fields]?: NonNullable<Fields[Key]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as never;
}
