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

/** Path, hash and file id of what a user sees. */
export function viewOf({ library }: Machine, user: UserId): string[] {
  return shownIn(library.worktree(BOOK, user).tree).sort();
}
