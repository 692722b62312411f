/**
 * Owns what a layer's files are to be, while it is worked out what a pull does to them: the journal with changes on top that
 * nobody sees yet, and the rows that the log is to have of them. Must never write.
 */
import type { BlobHash, FileId } from "../../schema/ids.ts";
import type { LogOperation } from "../../schema/log-row.ts";
import { type DirectoryPath, parentOf, ROOT, type TreePath } from "../../schema/paths.ts";
import type { NewConflict } from "../conflict-table.ts";
import type { JournalRow } from "../journal.ts";
import type { RowMaker } from "../log.ts";
import type { Tree } from "./tree.ts";

/** A version of a file, wherever it is. */
export interface FileState {
  readonly fileId: FileId;
  readonly hash: BlobHash;
  /** Bytes. */
  readonly size: number;
  /** 100644, 100755 or 120000 (octal), as in git. */
  readonly mode: number;
  /** Nanoseconds since 1970. */
  readonly mtime: bigint;
  /** In an overlay: hash of the base's version that it was copied from; null when there was none. */
  readonly base: BlobHash | null;
}

/** A row that the log is to have; its hash before is known when it is written down here. */
export interface PlannedRow {
  readonly tree: Tree;
  readonly operation: LogOperation;
  readonly path: TreePath;
  readonly prevPath: TreePath | null;
  readonly prevHash: BlobHash | null;
  readonly file: FileState | undefined;
  readonly fileId: FileId | null;
  /** In an overlay: the base's version that the file began with, or that is hidden; null: none; undefined: not known. */
  readonly base: BlobHash | null | undefined;
  readonly maker: RowMaker;
  /** The shared row that it came of; undefined: it is this store's own, to be shared. */
  readonly sharedSeq: number | undefined;
  /** Why nothing was done; undefined for what was done. */
  readonly refused: string | undefined;
  /** What is to be kept of what was not done; `refused` names its number. */
  readonly conflict: Omit<NewConflict, "since" | "comparedAt"> | undefined;
}

/** What a row says of a file that comes. */
export interface Come {
  /** It was moved from there. */
  readonly prevPath?: TreePath | undefined;
  /** What the base has where it comes was not looked at, so that nothing is said of it. */
  readonly isUnsaid?: boolean;
}

/** What a row says of a file that goes. */
export interface Away {
  /** Of a path that has no file anyway. */
  readonly fileId?: FileId | null | undefined;
  /** {@link PlannedRow.base} */
  readonly base?: BlobHash | null | undefined;
}

/** Why a row is written. */
export interface RowCause {
  readonly maker: RowMaker;
  readonly sharedSeq: number | undefined;
}

export class LayerPlan {
  readonly tree: Tree;
  readonly #rows: PlannedRow[];
  readonly #before = new Map<TreePath, JournalRow | undefined>();
  readonly #now = new Map<TreePath, FileState | undefined>();
  /** The paths of `#now` below each directory. */
  readonly #under = new Map<DirectoryPath, TreePath[]>();
  /** What the log says last, where that is not what `#now` says. */
  readonly #logged = new Map<TreePath, FileState | undefined>();
  readonly #places = new Map<FileId, TreePath | undefined>();
  readonly #noted = new Set<TreePath>();
  /** Of the journal, before anything is written. */
  #lastPath: Buffer | undefined;
  /** Files of the base that are to be hidden, or to show again, wherever the base has them in the end. */
  readonly hidden = new Map<FileId, boolean>();

  /** `rows` takes what the log is to have, of all layers in order. */
  constructor(tree: Tree, rows: PlannedRow[]) {
    this.tree = tree;
    this.#rows = rows;
  }

  /** The journal's row of a path. */
  before(path: TreePath): JournalRow | undefined {
    if (!this.#before.has(path))
      this.#before.set(path, this.#isBehindAll(path) ? undefined : this.tree.journal.get(path));
    return this.#before.get(path);
  }

  at(path: TreePath): FileState | undefined {
    if (this.#now.has(path)) return this.#now.get(path);
    const row = this.before(path);
    return row === undefined ? undefined : stateOf(row);
  }

  /** Where a file is. */
  pathOf(fileId: FileId): TreePath | undefined {
    if (this.#places.has(fileId)) return this.#places.get(fileId);
    const path = this.tree.journal.find(fileId)?.path as TreePath | undefined;
    // A file id is of one book only, unless somebody means harm.
    return path !== undefined && this.at(path)?.fileId === fileId ? path : undefined;
  }

  /** Whether it is planned where a file is to be, or that it goes. */
  places(fileId: FileId): boolean {
    return this.#places.has(fileId);
  }

  /** Whether a path cannot have a file because one is above it or below it. */
  isObstructed(path: TreePath, except?: FileId): boolean {
    return this.obstructing(path).some((each) => this.at(each)?.fileId !== except);
  }

  /** The files above a path and below it. */
  obstructing(path: TreePath): TreePath[] {
    const found = this.below(path);
    for (let above = parentOf(path); above !== ROOT; above = parentOf(above))
      if (this.at(above) !== undefined) found.push(above);
    return found;
  }

  /** The files below a path. */
  below(path: TreePath): TreePath[] {
    const rows = this.#isBehindAll(path) ? [] : this.tree.journal.below(path);
    const paths = new Set(rows.map((row) => row.path as TreePath));
    for (const each of this.#under.get(path) ?? []) paths.add(each);
    return [...paths].filter((each) => this.at(each) !== undefined);
  }

  /** Changes what a path has, without a row: the next row of the path tells. */
  set(path: TreePath, file: FileState | undefined): void {
    const was = this.at(path);
    if (!this.#logged.has(path)) this.#logged.set(path, was);
    if (was !== undefined && this.pathOf(was.fileId) === path) this.#places.set(was.fileId, undefined);
    if (file !== undefined) this.#places.set(file.fileId, path);
    if (!this.#now.has(path)) this.#noteUnder(path);
    this.#now.set(path, file);
  }

  /** What the last row of a path says it has. */
  logged(path: TreePath): FileState | undefined {
    return this.#logged.has(path) ? this.#logged.get(path) : this.at(path);
  }

  /** A path has a file from now on. */
  put(path: TreePath, file: FileState, cause: RowCause, { prevPath, isUnsaid }: Come = {}): void {
    const logged = this.logged(path);
    let operation: LogOperation;
    if (prevPath !== undefined) operation = "rename";
    else if (logged?.fileId === file.fileId) operation = logged.hash === file.hash ? "attributes" : "update";
    else {
      if (logged !== undefined) this.remove(path, "delete", cause);
      operation = "create";
    }
    this.set(path, file);
    const { fileId } = file;
    const base = isUnsaid === true ? undefined : file.base;
    this.#add({ path, operation, prevPath: prevPath ?? null, file, fileId, base }, cause);
  }

  /** A path has no file from now on. */
  remove(path: TreePath, operation: LogOperation, cause: RowCause, away: Away = {}): void {
    const logged = this.logged(path);
    this.set(path, undefined);
    const fileId = logged?.fileId ?? away.fileId ?? null;
    this.#add({ path, operation, prevPath: null, file: undefined, fileId, base: away.base }, cause);
  }

  /** Nothing is done to a path, and the log says why. */
  refuse(
    path: TreePath,
    operation: LogOperation,
    message: string,
    cause: RowCause,
    conflict?: PlannedRow["conflict"],
  ): void {
    const file = this.logged(path);
    this.#rows.push({
      tree: this.tree,
      ...{ operation, path, prevPath: null, prevHash: file?.hash ?? null, file },
      ...{ fileId: file?.fileId ?? null, base: undefined, ...cause, refused: message, conflict },
    });
    if (cause.sharedSeq !== undefined) this.#noted.add(path);
  }

  /** Whether a row that came of a shared one was written of a path. */
  isNoted(path: TreePath): boolean {
    return this.#noted.has(path);
  }

  /** Paths that may have something else than before. */
  changed(): TreePath[] {
    return [...this.#now.keys()];
  }

  #add(
    row: Pick<PlannedRow, "path" | "operation" | "prevPath" | "file" | "fileId" | "base">,
    { maker, sharedSeq }: RowCause,
  ): void {
    const { path, file } = row;
    this.#rows.push({
      tree: this.tree,
      ...{ ...row, prevHash: this.#loggedBefore(path)?.hash ?? null },
      ...{ maker, sharedSeq, refused: undefined, conflict: undefined },
    });
    this.#logged.set(path, file);
    if (sharedSeq !== undefined) this.#noted.add(path);
  }

  /** A snapshot's files come in the order of the journal: what is behind all that it has need not be looked for. */
  #isBehindAll(path: TreePath): boolean {
    this.#lastPath ??= Buffer.from(this.tree.journal.lastPath() ?? "");
    return Buffer.compare(Buffer.from(path), this.#lastPath) > 0;
  }

  #noteUnder(path: TreePath): void {
    for (let above = parentOf(path); above !== ROOT; above = parentOf(above)) {
      const under = this.#under.get(above);
      if (under === undefined) this.#under.set(above, [path]);
      else under.push(path);
    }
  }

  #loggedBefore(path: TreePath): FileState | undefined {
    return this.#logged.get(path);
  }
}

export function stateOf({ fileId, sha256, size, mode, mtime, base }: JournalRow): FileState {
  return { fileId, hash: sha256, size, mode, mtime, base };
}

/** Whether two are the same version of the same file. */
export function isSame(a: FileState | undefined, b: FileState | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.fileId === b.fileId && a.hash === b.hash && a.mode === b.mode && a.mtime === b.mtime;
}
