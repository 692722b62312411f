// What machines that share a book must have alike, layer by layer and user by user.

import type { UserId } from "../../schema/ids.ts";
import { BOOK } from "../lib/book-fixture.ts";
import { shownIn } from "../lib/soundness.ts";
import type { Machine } from "./machine.ts";

/** Path by path: file id, mode, hash. */
export function identitiesIn({ library }: Machine, layer: string): unknown[] {
  return library.store.database
    .prepare("SELECT path, file_id, mode, sha256 FROM file_journal WHERE user_id = ? ORDER BY path")
    .all(layer);
}

/** Path, hash and file id of what a user sees, but for files of the base in `covered`. */
export function viewOf(
  { library }: Machine,
  user: UserId,
  covered: ReadonlySet<number> = new Set(),
): string[] {
  const shown = shownIn(library.worktree(BOOK, user).tree).sort();
  return shown.filter((each) => !covered.has(Number(each.split(" ").at(-1))));
}

/** Files of the base that a directory of the user's covers on a machine: directories are in no log. */
export function coveredFrom({ library }: Machine, user: UserId): number[] {
  return library.store.database
    .prepare<unknown[], number>(
      `SELECT file_id FROM audit_log WHERE user_id = :user AND operation = 'cover' AND seq =
       (SELECT max(l.seq) FROM audit_log l WHERE l.user_id = :user AND l.file_id = audit_log.file_id AND l.status = 'ok')`,
    )
    .pluck()
    .all({ user });
}
