/**
 * Owns what changed in one layer of a book between two positions of the log: costs what was written in between, not the
 * book. Must never compare bytes.
 */
import type { Database } from "better-sqlite3";
import type { BookId, Seq, UserId } from "../../schema/ids.ts";
import type { BookFile } from "../reader.ts";
import { compareTimes } from "../time.ts";
import { PastFiles } from "./past-files.ts";
import { rangeBelow } from "./past-view.ts";

/** A path whose file is not the same at both ends; undefined where there was none. */
export interface PathChange {
  readonly path: string;
  readonly before: BookFile | undefined;
  readonly after: BookFile | undefined;
}

export interface ChangeQuery {
  readonly bookId: BookId;
  readonly layer: UserId;
  /** May also be the later one. */
  readonly from: Seq;
  readonly to: Seq;
  /** Only this file, or what is below this directory; absent or "": the whole book. */
  readonly below?: string;
}

/** Paths that differ, bytewise sorted; also those of which only time, mode or identity do. */
export function* changesBetween(database: Database, query: ChangeQuery): Generator<PathChange, void> {
  const { bookId, layer, from, to } = query;
  const files = new PastFiles(database, bookId, layer);
  for (const path of writtenPaths(database, query)) {
    const before = files.file(path, from);
    const after = files.file(path, to);
    if (!isSame(before, after)) yield { path, before, after };
  }
}

/** Paths with a row between the two positions, whatever came of it; bytewise sorted. Costs those rows. */
export function writtenPaths(
  database: Database,
  { bookId, layer, from, to, below = "" }: ChangeQuery,
): string[] {
  const range = rangeBelow(below);
  return database
    .prepare<unknown[], string>(
      `SELECT DISTINCT path FROM audit_log NOT INDEXED WHERE seq > ? AND seq <= ? AND book_id = ? AND user_id = ?
       AND status = 'ok' AND (path = ? OR (path >= ? AND path < ?)) ORDER BY path`,
    )
    .pluck()
    .all(Math.min(from, to), Math.max(from, to), bookId, layer, below, range.from, range.end);
}

/** Whether a path has the same file at both ends: bytes, mode, time, identity. */
export function isSame(a: BookFile | undefined, b: BookFile | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return (
    a.sha256 === b.sha256 &&
    a.mode === b.mode &&
    a.fileId === b.fileId &&
    compareTimes(a.mtime, b.mtime) === 0
  );
}
