/**
 * Owns what is told of a book's overlays from beside their owner: whose there are and what each has of its own. Must never
 * show one user's to another: that is for whoever asks.
 */
import type { Database } from "better-sqlite3";
import { BASE, type BookId, type UserId } from "../schema/ids.ts";
import { isBelow, type TreePath } from "../schema/paths.ts";
import type { PathChange } from "./past/changes.ts";
import type { StoreReader } from "./reader.ts";

export interface OverlaySummary {
  readonly user: UserId;
  /** Other versions of the base's files. */
  readonly changed: number;
  /** Files that the base does not have. */
  readonly added: number;
  /** Names of the base that the user does not see. */
  readonly hidden: number;
  /** Of the files' versions. */
  readonly bytes: number;
  /** ISO 8601: when the last of the files was written; null where there are none. */
  readonly last_change: string | null;
}

interface FilesOfUser extends Omit<OverlaySummary, "hidden" | "last_change"> {
  readonly writtenMs: number;
}

/** Who has files in an overlay of a book, sorted. Costs what it names, however many files each has. */
export function listOverlayUsers(database: Database, bookId: BookId): UserId[] {
  const next = (after: string): string =>
    `(SELECT user_id FROM file_journal WHERE book_id = +:book AND user_id > ${after} ORDER BY user_id LIMIT 1)`;
  const users = database
    .prepare<unknown[], UserId>(
      `WITH RECURSIVE layer (user_id) AS (SELECT ${next("''")}
       UNION ALL SELECT ${next("layer.user_id")} FROM layer WHERE layer.user_id IS NOT NULL)
       SELECT user_id FROM layer WHERE user_id IS NOT NULL AND user_id <> +:base`,
    )
    .pluck();
  return users.all({ book: bookId, base: BASE });
}

/** The overlays of a book, by user. @throws PfsError NOT_FOUND: no such book */
export function listOverlays(reader: StoreReader, bookId: BookId): OverlaySummary[] {
  reader.book(bookId);
  const { database } = reader;
  const files = database.prepare(
    `SELECT user_id AS user, sum(base_sha256 IS NOT NULL) AS changed, sum(base_sha256 IS NULL) AS added, sum(size) AS bytes,
     max(last_written_at) / 1000000 AS writtenMs FROM file_journal WHERE book_id = ? AND user_id <> ? AND parent IS NOT NULL GROUP BY user_id`,
  );
  const summaries = new Map<UserId, OverlaySummary>();
  for (const { writtenMs, ...row } of files.all(bookId, BASE) as FilesOfUser[])
    summaries.set(row.user, { ...row, hidden: 0, last_change: new Date(writtenMs).toISOString() });
  for (const { user, hidden } of hiddenOf(reader, bookId)) {
    const known = summaries.get(user) ?? { user, changed: 0, added: 0, bytes: 0, last_change: null };
    summaries.set(user, { ...known, hidden });
  }
  return [...summaries.values()].sort((a, b) => (a.user < b.user ? -1 : 1));
}

/**
 * What a user sees otherwise than the base has it, bytewise sorted by path: each file before (the base's) and after (the
 * user's). `below`: only this file, or what is below this directory. @throws PfsError NOT_FOUND: no such book
 */
export function overlayChanges(reader: StoreReader, bookId: BookId, user: UserId, below = ""): PathChange[] {
  const changes = new Map<string, PathChange>();
  const isAsked = (path: string): boolean =>
    below === "" || path === below || isBelow(path, below as TreePath);
  for (const path of hiddenPaths(reader, bookId, user)) {
    // A directory hides all that is in it.
    for (const before of reader.filesOf(bookId, path))
      if (isAsked(before.path)) changes.set(before.path, { path: before.path, before, after: undefined });
  }
  for (const path of pathsOfMoved(reader, bookId, user)) {
    const before = reader.file(bookId, path);
    if (before !== undefined && isAsked(path)) changes.set(path, { path, before, after: undefined });
  }
  for (const after of reader.filesOf(bookId, "", user)) {
    // What the base has below a file's name.
    for (const before of reader.filesOf(bookId, after.path))
      if (before.path !== after.path && isAsked(before.path))
        changes.set(before.path, { path: before.path, before, after: undefined });
    if (!isAsked(after.path)) continue;
    changes.set(after.path, { path: after.path, before: reader.file(bookId, after.path), after });
  }
  return [...changes.values()].sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/** Names of the base that the user has hidden, or has a directory of the own at, in which nothing of the base shows. */
function hiddenPaths(reader: StoreReader, bookId: BookId, user: UserId): string[] {
  const rows = reader.database.prepare<unknown[], { path: string }>(
    `WITH RECURSIVE directory (file_id, path) AS (
       SELECT root_id, '' FROM book WHERE book_id = ?
       UNION ALL SELECT e.file_id, d.path || e.name || '/' FROM directory d
       JOIN worktree_entry e ON e.parent = d.file_id AND e.user_id = ?
       JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id AND w.mode & 61440 = 16384
     ) SELECT d.path || o.name AS path FROM whiteout o JOIN directory d ON d.file_id = o.parent WHERE o.user_id = ?
     UNION SELECT d.path || e.name FROM worktree_entry e JOIN directory d ON d.file_id = e.parent
     JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id AND w.mode & 61440 = 16384
     WHERE e.user_id = ? ORDER BY 1`,
  );
  return rows.all(bookId, BASE, user, user).map(({ path }) => path);
}

/** Where the base has files that the user has at another path. */
function pathsOfMoved(reader: StoreReader, bookId: BookId, user: UserId): string[] {
  const rows = reader.database.prepare<unknown[], { path: string }>(
    `SELECT b.path FROM file_journal o JOIN file_journal b ON b.file_id = o.file_id AND b.user_id = +?
     WHERE o.book_id = +? AND o.user_id = +? AND b.path <> o.path AND o.parent IS NOT NULL`,
  );
  return rows.all(BASE, bookId, user).map(({ path }) => path);
}

/** Whiteouts know their directory only, which is some book's. */
function hiddenOf(reader: StoreReader, bookId: BookId): { user: UserId; hidden: number }[] {
  return reader.database
    .prepare(
      `WITH RECURSIVE directory (file_id) AS (
         SELECT root_id FROM book WHERE book_id = ?
         UNION SELECT e.file_id FROM directory d JOIN worktree_entry e ON e.parent = d.file_id
         JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id AND w.mode & 61440 = 16384
       ) SELECT o.user_id AS user, count(*) AS hidden FROM whiteout o JOIN directory d ON d.file_id = o.parent
       GROUP BY o.user_id`,
    )
    .all(bookId) as { user: UserId; hidden: number }[];
}
