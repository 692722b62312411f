/**
 * Owns `.pfs/overlay/`, on mounts of a user: what the user has, without the base. Removing a file reverts it. A directory is
 * here because something of the user's is in it; one that was emptied stays until it is removed, as elsewhere, so that
 * `rm -r` finds it. Must never show another user's, nor scratch.
 */
import { type Actor, isDirectory, type Node } from "../../lib/node.ts";
import type { Store } from "../../lib/store.ts";
import { now, type Time } from "../../lib/time.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { PfsError, PosixError } from "../../schema/errors.ts";
import { type DirectoryPath, joinPath, parentOf, ROOT, segmentsOf } from "../../schema/paths.ts";
import type { ControlModule } from "./control-module.ts";
import type { ControlDirectory, ControlName, ControlNode } from "./control-node.ts";
import { kindOf, leafOf, listTree, TreeDirectory } from "./tree-directory.ts";

export const overlayDirectory: ControlModule = {
  name: "overlay",
  description:
    "what this user has changed or added, alone. `rm` of a file here reverts it: the base's shows again;\n" +
    "`rm -r` of a directory reverts all that is below it",
  make: ({ base, store, worktree, position, layer }) => {
    if (base === undefined) return undefined;
    if (position === undefined) return new OverlayDirectory(new OverlayView(store, worktree), ROOT);
    const then = layer(worktree.tree.layer);
    return new TreeDirectory(then, then.rootId);
  },
};

/** What all directories of one mount's `overlay/` share. */
class OverlayView {
  readonly worktree: Worktree;
  readonly #store: Store;
  /** Directories that hold nothing of the user's any more, and were not removed. */
  readonly #emptied = new Set<string>();
  #mtime = now();
  #writeCount = -1;

  constructor(store: Store, worktree: Worktree) {
    this.#store = store;
    this.worktree = worktree;
  }

  shows(node: Node, path: string): boolean {
    if (!this.worktree.isOwn(node)) return this.#emptied.has(path);
    this.#emptied.delete(path);
    return true;
  }

  /** Any change of the store may change a listing here, and the first save of a file of the base does not touch its directory. */
  mtime(): Time {
    const { writeCount } = this.#store;
    if (writeCount !== this.#writeCount) this.#mtime = now();
    this.#writeCount = writeCount;
    return this.#mtime;
  }

  keep(directory: DirectoryPath): void {
    for (let at = directory; at !== ROOT; at = parentOf(at)) this.#emptied.add(at);
  }

  drop(directory: string): void {
    this.#emptied.delete(directory);
    this.#writeCount = -1;
  }
}

/** Known by its path: reverting a file may give the directory of the user's own that had it another file id. */
class OverlayDirectory implements ControlDirectory {
  readonly kind = "directory";
  readonly #view: OverlayView;
  readonly #path: DirectoryPath;

  constructor(view: OverlayView, path: DirectoryPath) {
    this.#view = view;
    this.#path = path;
  }

  /** Whoever may change the directory may revert what is in it. */
  get access() {
    const { uid, gid, mode } = this.#node();
    return { uid, gid, permissions: mode & 0o7777 };
  }

  mtime(): Time {
    return this.#view.mtime();
  }

  find(name: string): ControlNode | undefined {
    const node = this.#lookup(name);
    if (node === undefined) return undefined;
    if (isDirectory(node.mode)) return new OverlayDirectory(this.#view, joinPath(this.#path, name));
    return leafOf(this.#view.worktree, node);
  }

  list(after: number): Iterable<ControlName> {
    return listTree(this.#view.worktree, this.#node().fileId, after, (node, name) =>
      this.#view.shows(node, joinPath(this.#path, name)),
    );
  }

  /** @throws PosixError ENOENT, ENOTEMPTY; PfsError CONFLICT: somebody has unsaved changes there; as revertPaths */
  remove(name: string, actor: Actor): void {
    const { worktree } = this.#view;
    const node = this.#lookup(name);
    if (node === undefined) throw new PosixError("ENOENT");
    const path = joinPath(this.#path, name);
    if (isDirectory(node.mode) && !isEmpty(new OverlayDirectory(this.#view, path)))
      throw new PosixError("ENOTEMPTY");
    this.#view.keep(this.#path);
    try {
      // Of a directory: what it hides of the base, and the directory itself if the user made it.
      worktree.revert([path], actor);
    } catch (error) {
      if (error instanceof PfsError) worktree.refuse(error, "revert", actor);
      throw error;
    }
    if (!isDirectory(node.mode)) return;
    const left = this.#lookup(name);
    if (left !== undefined && worktree.isOwn(left))
      throw new PosixError("ENOTEMPTY", `${path} still holds scratch.`);
    this.#view.drop(path);
  }

  #lookup(name: string): Node | undefined {
    const node = this.#view.worktree.lookup(this.#node().fileId, name);
    if (node === undefined || kindOf(name, node) === undefined) return undefined;
    return this.#view.shows(node, joinPath(this.#path, name)) ? node : undefined;
  }

  /** @throws PosixError ENOENT */
  #node(): Node {
    const { worktree } = this.#view;
    let node = worktree.get(worktree.rootId);
    for (const name of this.#path === ROOT ? [] : segmentsOf(this.#path))
      node = node === undefined ? undefined : worktree.lookup(node.fileId, name);
    if (node === undefined || !isDirectory(node.mode)) throw new PosixError("ENOENT");
    return node;
  }
}

function isEmpty(directory: OverlayDirectory): boolean {
  for (const _name of directory.list(0)) return false;
  return true;
}
