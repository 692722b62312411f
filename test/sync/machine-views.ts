// What machines that share a book must have alike, layer by layer and user by user.

import assert from "node:assert/strict";
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

/** File ids of the base that something covers on a machine. */
function coveredOn({ library }: Machine, user: UserId): string[] {
  return library.store.database
    .prepare(
      `SELECT cast(file_id AS TEXT) FROM (SELECT file_id, operation, max(seq) FROM audit_log WHERE user_id = ? AND file_id IS NOT NULL
       AND status = 'ok' GROUP BY file_id) WHERE operation = 'cover'`,
    )
    .pluck()
    .all(user) as string[];
}

/** All show a user the same files, but for those that a directory covers somewhere: directories are a machine's own, never shared. */
export function assertSameViews(machines: readonly Machine[], user: UserId): void {
  const covered = new Set(machines.flatMap((machine) => coveredOn(machine, user)));
  const views = machines.map((machine) =>
    viewOf(machine, user).filter((file) => !covered.has(file.slice(file.lastIndexOf(" ") + 1))),
  );
  for (const view of views) assert.deepEqual(view, views[0], `what ${user} sees`);
}
