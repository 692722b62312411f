/**
 * Owns telling programs that watch a mount (inotify) of what came from other machines, of which their kernel has heard nothing
 * that it passes on: what has changed is touched through the mount. Must never be used in the thread that serves mounts, nor
 * touch before the kernels have been told.
 */
import { chmod, lstat } from "node:fs/promises";
import { join } from "node:path";
import { FileType } from "../lib/node.ts";
import { BASE, type BookId } from "../schema/ids.ts";
import { parentOf, ROOT, type TreePath } from "../schema/paths.ts";
import type { SharedRow } from "../schema/shared-row.ts";
import type { MountRegistry } from "./mount-registry.ts";

type PulledRow = Pick<SharedRow, "path" | "user_id" | "status" | "operation" | "new_hash">;

export class WatcherTouch {
  readonly #mounts: Pick<MountRegistry, "told" | "list">;
  /** One at a time: each holds a thread of Node's pool for as long as the mount takes, and kernels are told by others of them. */
  #turn: Promise<void> = Promise.resolve();

  constructor(mounts: Pick<MountRegistry, "told" | "list">) {
    this.#mounts = mounts;
  }

  /** Rows of others were done in the book. Never fails: whoever cannot be told sees it when looking. */
  pulled(bookId: BookId, rows: readonly PulledRow[]): void {
    const done = rows.filter(({ status }) => status === "ok");
    if (done.length === 0) return;
    this.#turn = this.#turn.then(() => this.#touchAll(bookId, done)).catch(() => undefined);
  }

  /** Resolves when nothing is being touched any more. */
  idle(): Promise<void> {
    return this.#turn;
  }

  async #touchAll(bookId: BookId, rows: readonly PulledRow[]): Promise<void> {
    await this.#mounts.told();
    for (const { directory, book, user, position } of this.#mounts.list()) {
      if (book !== bookId || position !== null) continue;
      const paths = new Set<string>();
      for (const row of rows)
        if (row.user_id === BASE || row.user_id === user) for (const path of touchedBy(row)) paths.add(path);
      for (const path of paths) await touch(join(directory, path));
    }
  }
}

/** The file, if its name was there before; where names come and go, the directories, which may have come with it, from the top. */
function touchedBy({ path, operation, new_hash }: PulledRow): string[] {
  const isSameName = new_hash !== null && operation !== "create" && operation !== "rename";
  if (isSameName) return [path];
  const above: string[] = [];
  for (let directory = parentOf(path as TreePath); directory !== ROOT; directory = parentOf(directory))
    above.unshift(directory);
  return ["", ...above, ...(new_hash === null ? [] : [path])];
}

/** Gives it the mode that it has: watchers hear of that, and nothing of the book changes. */
async function touch(path: string): Promise<void> {
  try {
    const { mode } = await lstat(path);
    if ((mode & FileType.mask) !== FileType.symlink) await chmod(path, mode & ~FileType.mask);
  } catch {
    // It has gone again, or is another user's.
  }
}
