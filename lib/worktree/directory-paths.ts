/**
 * Owns which path a directory has, and whether it is scratch: names of directories are kept by parent, so a path is the
 * chain of names up to the root. Remembers what it has walked until a directory moves.
 */
import type { Statement } from "better-sqlite3";
import { PosixError } from "../../schema/errors.ts";
import type { FileId } from "../../schema/ids.ts";
import type { DirectoryPath } from "../../schema/paths.ts";
import { ROOT } from "../../schema/paths.ts";
import { isScratchName } from "../../schema/scratch.ts";
import type { Store } from "../store.ts";

export interface DirectoryPlace {
  readonly path: DirectoryPath;
  readonly parent: FileId;
  /** It or a directory above it is scratch: nothing in it is ever tracked (S1). */
  readonly scratch: boolean;
}

const MAX_REMEMBERED = 20_000;

export class DirectoryPaths {
  readonly #select: Statement<[number], { parent: FileId; name: string }>;
  readonly #root: FileId;
  readonly #isScratch: (name: string, parentPath: DirectoryPath) => boolean;
  readonly #places = new Map<FileId, DirectoryPlace>();

  /** `isDecoration` says whether a directory that is no scratch by name is scratch by the sibling rule. */
  constructor(
    store: Store,
    root: FileId,
    isDecoration: (name: string, parentPath: DirectoryPath) => boolean,
  ) {
    this.#root = root;
    this.#isScratch = (name, parentPath) => isScratchName(name) || isDecoration(name, parentPath);
    this.#select = store.database.prepare("SELECT parent, name FROM worktree_entry WHERE file_id = ?");
    this.forgetAll();
  }

  /** @throws PosixError ENOENT when the directory was removed */
  get(directory: FileId): DirectoryPlace {
    return this.find(directory) ?? missing();
  }

  find(directory: FileId): DirectoryPlace | undefined {
    const known = this.#places.get(directory);
    if (known !== undefined) return known;
    const row = this.#select.get(directory);
    if (row === undefined) return undefined;
    const parent = this.find(row.parent);
    if (parent === undefined) return undefined;
    const path = (parent.path === ROOT ? row.name : `${parent.path}/${row.name}`) as DirectoryPath;
    const place = {
      path,
      parent: row.parent,
      scratch: parent.scratch || this.#isScratch(row.name, parent.path),
    };
    if (this.#places.size >= MAX_REMEMBERED) this.forgetAll();
    this.#places.set(directory, place);
    return place;
  }

  /** To be called when a directory was moved or removed: any path below it may have changed. */
  forgetAll(): void {
    this.#places.clear();
    this.#places.set(this.#root, { path: ROOT, parent: this.#root, scratch: false });
  }
}

function missing(): never {
  throw new PosixError("ENOENT");
}
