/**
 * Owns which path a directory has in one layer, and whether it is scratch: names of directories are kept by parent, so a
 * path is the chain of names up to the root. Remembers what it has walked until a directory moves.
 */
import type { Statement } from "better-sqlite3";
import { PosixError } from "../../schema/errors.ts";
import type { FileId, UserId } from "../../schema/ids.ts";
import type { DirectoryPath } from "../../schema/paths.ts";
import { ROOT } from "../../schema/paths.ts";
import { isScratchName } from "../../schema/scratch.ts";
import type { Store } from "../store.ts";

export interface DirectoryPlace {
  readonly path: DirectoryPath;
  readonly parent: FileId;
  /** It or a directory above it is scratch: nothing in it is ever tracked (S1). */
  readonly scratch: boolean;
  /** Everything in it is of this layer: the base, or a directory that an overlay made or moved. */
  readonly own: boolean;
}

/** What the paths of one layer need to know of it. */
export interface DirectoryPathsParts {
  readonly store: Store;
  readonly root: FileId;
  readonly userId: UserId;
  /** The base's paths; undefined for the base itself. */
  readonly base: DirectoryPaths | undefined;
  /** Says whether a directory that is no scratch by name is scratch by the sibling rule. */
  isDecoration(name: string, parentPath: DirectoryPath): boolean;
}

const MAX_REMEMBERED = 20_000;

export class DirectoryPaths {
  readonly #store: Store;
  readonly #select: Statement<unknown[], { parent: FileId; name: string }>;
  readonly #root: FileId;
  readonly #userId: UserId;
  readonly #base: DirectoryPaths | undefined;
  readonly #isScratch: (name: string, parentPath: DirectoryPath) => boolean;
  readonly #places = new Map<FileId, DirectoryPlace>();

  constructor({ store, root, userId, base, isDecoration }: DirectoryPathsParts) {
    this.#store = store;
    this.#root = root;
    this.#userId = userId;
    this.#base = base;
    this.#isScratch = (name, parentPath) => isScratchName(name) || isDecoration(name, parentPath);
    this.#select = store.database.prepare(
      "SELECT parent, name FROM worktree_entry WHERE file_id = ? AND user_id = ?",
    );
    this.forgetAll();
  }

  /** @throws PosixError ENOENT when the directory was removed */
  get(directory: FileId): DirectoryPlace {
    return this.find(directory) ?? missing();
  }

  find(directory: FileId): DirectoryPlace | undefined {
    const known = this.#places.get(directory);
    if (known !== undefined) return known;
    const place = this.#walk(directory);
    if (place === undefined) return undefined;
    if (this.#places.size >= MAX_REMEMBERED) this.forgetAll();
    // Where it is now may be undone.
    if (this.#store.isWriting) this.#store.afterRollback(() => this.forgetAll());
    this.#places.set(directory, place);
    return place;
  }

  #walk(directory: FileId): DirectoryPlace | undefined {
    const row = this.#select.get(directory, this.#userId);
    if (row === undefined) {
      const shared = this.#base?.find(directory);
      return shared === undefined || shared.scratch ? undefined : { ...shared, own: false };
    }
    const parent = this.find(row.parent);
    if (parent === undefined) return undefined;
    const path = (parent.path === ROOT ? row.name : `${parent.path}/${row.name}`) as DirectoryPath;
    const scratch = parent.scratch || this.#isScratch(row.name, parent.path);
    return { path, parent: row.parent, scratch, own: true };
  }

  /** To be called when a directory was moved or removed: any path below it may have changed. */
  forgetAll(): void {
    this.#places.clear();
    this.#places.set(this.#root, {
      path: ROOT,
      parent: this.#root,
      scratch: false,
      own: this.#base === undefined,
    });
  }
}

function missing(): never {
  throw new PosixError("ENOENT");
}
