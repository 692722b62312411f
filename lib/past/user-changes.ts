/**
 * Owns what a user saw otherwise at one position of the log than at another: costs what was written in between, and what
 * the user ever did to the files of those rows. Must never compare bytes.
 */
import type { Database } from "better-sqlite3";
import { BASE, type BookId, type Seq, type UserId } from "../../schema/ids.ts";
import { isBelow, type TreePath } from "../../schema/paths.ts";
import { isSame, type PathChange, writtenPaths } from "./changes.ts";
import { PastOverlay } from "./past-overlay.ts";

export interface UserChangeQuery {
  readonly bookId: BookId;
  readonly userId: UserId;
  /** May also be the later one. */
  readonly from: Seq;
  readonly to: Seq;
  /** Only this file, or what is below this directory; "": the whole book. */
  readonly below: string;
}

/** Paths that differ, bytewise sorted; also those of which only time, mode or identity do. */
export function* userChangesBetween(
  database: Database,
  { bookId, userId, from, to, below }: UserChangeQuery,
): Generator<PathChange, void> {
  const view = new PastOverlay(database, bookId, userId);
  const written = [BASE, userId].flatMap((layer) =>
    writtenPaths(database, { bookId, layer, from, to, below }),
  );
  // What the user moved or hid shows or not where the base has it, which one of the user's rows of that file has said.
  const touched = database
    .prepare<unknown[], string>(
      `SELECT DISTINCT o.path FROM audit_log a NOT INDEXED JOIN audit_log o INDEXED BY audit_log_overlay_file
       ON o.file_id = a.file_id AND o.user_id = a.user_id AND o.user_id <> '${BASE}'
       WHERE a.seq > ? AND a.seq <= ? AND a.book_id = ? AND a.user_id = ? AND a.status = 'ok'`,
    )
    .pluck()
    .all(Math.min(from, to), Math.max(from, to), bookId, userId)
    .filter((path) => below === "" || path === below || isBelow(path, below as TreePath));
  for (const path of [...new Set([...written, ...touched])].sort(bytewise)) {
    const before = view.file(path, from);
    const after = view.file(path, to);
    if (!isSame(before, after)) yield { path, before, after };
  }
}

function bytewise(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
