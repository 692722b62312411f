/**
 * Owns `.pfs/overlays/`, on mounts of the base: a directory for each user that has an overlay, with what the log has of it
 * (on a mount of the past: had then), to be read only. Must never let anybody in but whoever mounted: one user's files are not another's to read (R5).
 */
import { listOverlayUsers } from "../../lib/overlays.ts";
import { fromIso, type Time } from "../../lib/time.ts";
import { isUserId } from "../../schema/ids.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlDirectory, ControlName, ControlNode } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";
import { TreeDirectory } from "./tree-directory.ts";

export const overlaysDirectory: ControlModule = {
  name: "overlays",
  description: "<user>/ holds what that user has changed or added, alone; for whoever mounted the book only",
  make: (source) => (source.base === undefined ? new OverlaysDirectory(source) : undefined),
};

const OWNER_ONLY = 0o500;

class OverlaysDirectory implements ControlDirectory {
  readonly kind = "directory";
  readonly access = { permissions: OWNER_ONLY };
  readonly #source: ControlSource;

  constructor(source: ControlSource) {
    this.#source = source;
  }

  /** An overlay begins and ends with a row of the log. */
  mtime(): Time {
    const { log, worktree } = this.#source;
    return fromIso(log.timestamp === "" ? worktree.book.createdAt : log.timestamp);
  }

  find(name: string): ControlNode | undefined {
    if (!isUserId(name)) return undefined;
    const tree = this.#source.layer(name);
    const directory = new TreeDirectory(tree, tree.rootId);
    for (const _name of directory.list(0)) return directory;
    return undefined;
  }

  /** Those who have an overlay now. */
  *list(after: number): Iterable<ControlName> {
    const { store, worktree } = this.#source;
    store.read();
    for (const [index, name] of listOverlayUsers(store.database, worktree.book.bookId).entries())
      if (index >= after) yield { name, kind: "directory", cookie: index + 1 };
  }
}
