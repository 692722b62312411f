/**
 * Owns what bringing files back asks of an open store, the same in the mount thread and in a command without a daemon.
 * Must never wait.
 */
import type { Library } from "../lib/library.ts";
import { resolveReference, timeOf } from "../lib/past/position.ts";
import type { BookId } from "../schema/ids.ts";
import { actorFrom } from "./plain-actor.ts";
import { SETTLE_AGE_MS } from "./settle-age.ts";
import type { Position, RestoreInput, RestoreResult } from "./thread-calls.ts";

/** Finds a past state, after entering in the log what was just removed. @throws as resolveReference of lib/past/ */
export function findPosition(library: Library, bookId: BookId, reference: string): Position {
  library.worktree(bookId).settle(SETTLE_AGE_MS);
  const { database } = library.store;
  const seq = resolveReference(database, bookId, reference);
  return { seq, time: timeOf(database, seq) ?? null };
}

/** @throws as resolveReference of lib/past/ and Worktree.restore */
export function restore(library: Library, { bookId, reference, paths, actor }: RestoreInput): RestoreResult {
  const position = findPosition(library, bookId, reference);
  const files = library.worktree(bookId).restore(position.seq, paths, actorFrom(actor));
  return { position, files };
}
