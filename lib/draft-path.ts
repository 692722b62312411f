/** Owns the names of files in a store's drafts/, which all books, users and threads of the daemon share. */
import { join } from "node:path";
import { threadId } from "node:worker_threads";

let count = 0;

/** A path in drafts/ that nobody has, since drafts/ is emptied when the store is opened (leftovers.ts). */
export function newDraftPath(storeDirectory: string): string {
  return join(storeDirectory, "drafts", `${process.pid}-${threadId}-${++count}`);
}
