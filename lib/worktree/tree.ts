/**
 * Owns what all operations on one book's tree share: its tables, its open files, the names that are only in memory, and
 * how a name is found. One Tree per book and layer, however many mounts show it. Must never know what a mount is.
 */
import type { Statement } from "better-sqlite3";
import { PfsError, PosixError } from "../../schema/errors.ts";
import { BASE, type BlobHash, type FileId } from "../../schema/ids.ts";
import { type DirectoryPath, joinPath, parseTreePath, ROOT, type TreePath } from "../../schema/paths.ts";
import { isDecoration, isScratchName } from "../../schema/scratch.ts";
import type { Blobs } from "../blobs.ts";
import type { Book } from "../book.ts";
import { type Content, InlineContent, ObjectContent } from "../content.ts";
import { Journal } from "../journal.ts";
import type { Log } from "../log.ts";
import { type Actor, type Change, FileType, type Node } from "../node.ts";
import type { Store } from "../store.ts";
import { compareTimes, type Time } from "../time.ts";
import { DirectoryPaths } from "./directory-paths.ts";
import { Entries } from "./entries.ts";
import { type LocalRow, localNode, SELECT_TRACKED, type TrackedRow, trackedNode } from "./node-rows.ts";
import type { OpenFile } from "./open-file.ts";
import { Refusals, type RefusedOperation } from "./refusals.ts";
import { ScratchFiles } from "./scratch-files.ts";
import { Vacancies } from "./vacancies.ts";
import { Xattrs } from "./xattrs.ts";

/** What may be made under a name: part of the book, this machine's scratch, or nothing. */
export type NameClass = "tracked" | "scratch" | "invalid";

/** The control directory of every mount: no book can hold it. */
export const CONTROL_DIRECTORY = ".pfs";

export interface TreeParts {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly log: Log;
  readonly book: Book;
}

export class Tree {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly log: Log;
  readonly book: Book;
  /** Whose layer this is. */
  readonly layer = BASE;
  readonly journal: Journal;
  readonly entries: Entries;
  readonly paths: DirectoryPaths;
  readonly scratchFiles: ScratchFiles;
  readonly xattrs: Xattrs;
  readonly vacancies: Vacancies;
  readonly refusals = new Refusals();
  /** Every file that somebody has open, orphans included. */
  readonly openFiles = new Map<FileId, OpenFile>();
  /** Files that were created and never saved, by directory and name. */
  readonly newborns = new Map<FileId, Map<string, OpenFile>>();
  /** Removed nodes that a kernel may still ask about. */
  readonly orphans = new Map<FileId, Node>();
  readonly #touched = new Map<FileId, Time>();
  readonly #trackedByPath: Statement<unknown[], TrackedRow>;
  readonly #trackedById: Statement<unknown[], TrackedRow>;
  readonly #trackedIn: Statement<unknown[], TrackedRow>;
  readonly #root: Statement<[FileId], LocalRow>;
  readonly #listeners = new Set<(change: Change, origin: object | undefined) => void>();

  constructor({ store, blobs, log, book }: TreeParts) {
    this.store = store;
    this.blobs = blobs;
    this.log = log;
    this.book = book;
    this.journal = new Journal(store, book.bookId, this.layer);
    this.entries = new Entries(store);
    this.paths = new DirectoryPaths(store, book.rootId, (name, parent) =>
      this.#isDecoratedDirectory(name, parent),
    );
    this.scratchFiles = new ScratchFiles(store);
    this.xattrs = new Xattrs(store);
    this.vacancies = new Vacancies(store, book.bookId, this.layer);
    this.#trackedByPath = store.database.prepare(
      `${SELECT_TRACKED} WHERE j.book_id = +? AND j.path = +? AND j.user_id = +? AND j.parent IS NOT NULL`,
    );
    this.#root = store.database.prepare(ROOT_ROW);
    this.#trackedById = store.database.prepare(
      `${SELECT_TRACKED} WHERE j.file_id = +? AND j.user_id = +? AND j.parent IS NOT NULL`,
    );
    this.#trackedIn = store.database.prepare(
      `${SELECT_TRACKED} WHERE j.parent = +? AND j.file_id > +? AND j.user_id = +? ORDER BY j.file_id LIMIT ?`,
    );
  }

  /** @throws PosixError ENOENT when the directory was removed */
  lookup(parent: FileId, name: string): Node | undefined {
    this.store.read();
    const newborn = this.newborn(parent, name);
    if (newborn !== undefined) return newborn.node();
    const place = this.paths.get(parent);
    if (!place.scratch) {
      const path = place.path === ROOT ? name : `${place.path}/${name}`;
      const row = this.#trackedByPath.get(this.book.bookId, path, this.layer);
      if (row !== undefined) return this.current(row);
    }
    const local = this.entries.find(parent, name);
    return local === undefined ? undefined : this.localNode(local);
  }

  get(fileId: FileId): Node | undefined {
    if (fileId === this.book.rootId) return this.#rootNode();
    const open = this.openFiles.get(fileId);
    if (open !== undefined && open.state !== "scratch") return open.node();
    this.store.read();
    const row = this.#trackedById.get(fileId, this.layer);
    if (row !== undefined) return trackedNode(row, this.store);
    const local = this.entries.findById(fileId);
    if (local !== undefined) return this.localNode(local);
    return this.orphans.get(fileId);
  }

  /** Tracked files of a directory with a file id greater than `after`, ascending, at most `limit`. */
  trackedIn(directory: FileId, after: number, limit: number): TrackedRow[] {
    return this.#trackedIn.all(directory, after, this.layer, limit);
  }

  localNode(row: LocalRow): Node {
    const isFile = ((row.mode ?? 0) & FileType.mask) === FileType.file;
    const node = localNode(row, this.store, isFile ? this.scratchFiles.state(row.fileId) : undefined);
    return this.#withTouch(node);
  }

  newborn(parent: FileId, name: string): OpenFile | undefined {
    return this.newborns.size === 0 ? undefined : this.newborns.get(parent)?.get(name);
  }

  addNewborn(file: OpenFile): void {
    let names = this.newborns.get(file.parent);
    if (names === undefined) {
      names = new Map();
      this.newborns.set(file.parent, names);
    }
    names.set(file.name, file);
  }

  removeNewborn(file: OpenFile): void {
    const names = this.newborns.get(file.parent);
    if (names?.get(file.name) !== file) return;
    names.delete(file.name);
    if (names.size === 0) this.newborns.delete(file.parent);
  }

  /**
   * What a name in a directory may hold.
   * @throws PfsError INVALID_PATH; PosixError ENAMETOOLONG, ENOENT
   */
  classify(parent: FileId, name: string, type: "file" | "directory" | "symlink"): NameClass {
    const place = this.paths.get(parent);
    const path = joinPath(place.path, name);
    if (path === CONTROL_DIRECTORY) return "invalid";
    if (place.scratch || isScratchName(name)) return "scratch";
    const { profile } = this.book;
    if (type === "directory") {
      if (profile.admitsDirectory(path)) return "tracked";
      return this.#isDecoratedDirectory(name, place.path) ? "scratch" : "invalid";
    }
    if (profile.matchesFile(path)) return type === "file" || profile.symlinks ? "tracked" : "invalid";
    return isDecoration(name, (candidate) => isValid(place.path, candidate, (p) => profile.matchesFile(p)))
      ? "scratch"
      : "invalid";
  }

  /** The path of a name in a directory. @throws as {@link joinPath}; PosixError ENOENT */
  pathOf(parent: FileId, name: string): TreePath {
    return joinPath(this.paths.get(parent).path, name);
  }

  /** The bytes of a committed file. @throws PfsError CORRUPT */
  openContent(file: OpenFile): Content {
    if (file.state === "scratch" && this.scratchFiles.state(file.fileId) !== undefined)
      return this.scratchFiles.open(file.fileId);
    if (file.hash === null) return new InlineContent(new Uint8Array(0));
    return this.openBlob(file.hash, file.path());
  }

  /** `path` is for the message. @throws PfsError CORRUPT */
  openBlob(hash: BlobHash, path: string): Content {
    const bytes = this.blobs.readInline(hash, path);
    if (bytes !== undefined) return new InlineContent(bytes);
    const object = this.blobs.openObject(hash, path);
    return new ObjectContent(object.fd, object.size);
  }

  refuseTooLarge(path: string, actor: Actor): never {
    const startedMs = performance.now();
    const operation = this.journal.get(path) === undefined ? "create" : "update";
    const error = new PfsError(
      "TOO_LARGE",
      `${path} would be over the book's limit of ${this.book.fileSizeLimitBytes} bytes.`,
      { path, hint: "Keep large media elsewhere, or raise the limit of the book." },
    );
    this.refuse(error, { operation, path, startedMs }, actor);
  }

  /**
   * Logs and records a refusal, then throws it. Not within a transaction: it would be undone with it.
   */
  refuse(error: PfsError, operation: RefusedOperation, actor: Actor): never {
    this.refusals.record(error, operation.path, actor);
    if (isTreePath(operation.path)) {
      // Also of a path that nobody sees any more because it was vacated: for the log its file is still there (R6).
      const row = this.journal.get(operation.path);
      const currentHash = row?.sha256 ?? null;
      this.store.transaction(() =>
        this.log.append(
          {
            operation: operation.operation,
            bookId: this.book.bookId,
            path: operation.path,
            userId: this.layer,
            prevHash: currentHash,
            newHash: currentHash,
            status: "refused",
            errorMessage: `${error.code}: ${error.message}`,
            startedMs: operation.startedMs,
            fileId: row?.fileId ?? null,
          },
          actor,
        ),
      );
    }
    throw error;
  }

  /** Tells everyone but the origin, once the transaction under way (if any) is committed. */
  notify(change: Change, actor: Actor | undefined): void {
    if (this.#listeners.size === 0) return;
    const tell = () => {
      for (const listener of this.#listeners) listener(change, actor?.origin);
    };
    if (this.store.isWriting) this.store.afterCommit(tell);
    else tell();
  }

  onChange(listener: (change: Change, origin: object | undefined) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Notes in memory that a file was created in a directory: its first save will write that. */
  touchLater(directory: FileId, time: Time): void {
    this.#touched.set(directory, time);
  }

  /** Hands over what {@link touchLater} noted. */
  takeTouched(directory: FileId): Time | undefined {
    if (this.#touched.size === 0) return undefined;
    const time = this.#touched.get(directory);
    this.#touched.delete(directory);
    return time;
  }

  /** Updates a directory's times and, by `links`, its link count. */
  touchDirectory(directory: FileId, time: Time, actor: Actor | undefined, links = 0): void {
    const noted = this.takeTouched(directory);
    if (noted !== undefined) this.store.afterRollback(() => this.touchLater(directory, noted));
    this.entries.touch(directory, time, links);
    this.notify({ type: "attributes", fileId: directory }, actor);
  }

  /** The node of a row, as whoever has the file open sees it. */
  current(row: TrackedRow): Node {
    const open = this.openFiles.size === 0 ? undefined : this.openFiles.get(row.fileId);
    return open === undefined ? trackedNode(row, this.store) : open.node();
  }

  #rootNode(): Node | undefined {
    this.store.read();
    const row = this.#root.get(this.book.rootId);
    return row === undefined ? undefined : this.#withTouch(localNode(row, this.store, undefined));
  }

  #withTouch(node: Node): Node {
    const time = this.#touched.size === 0 ? undefined : this.#touched.get(node.fileId);
    if (time === undefined) return node;
    const ctime = { seconds: node.ctimeSeconds, nanoseconds: node.ctimeNanoseconds };
    // Its attributes may have changed since.
    const changed = compareTimes(ctime, time) > 0 ? ctime : time;
    return {
      ...node,
      mtimeSeconds: time.seconds,
      mtimeNanoseconds: time.nanoseconds,
      ctimeSeconds: changed.seconds,
      ctimeNanoseconds: changed.nanoseconds,
    };
  }

  #isDecoratedDirectory(name: string, parent: DirectoryPath): boolean {
    const { profile } = this.book;
    const admits = (path: TreePath) => profile.admitsDirectory(path);
    return (
      !isValid(parent, name, admits) && isDecoration(name, (candidate) => isValid(parent, candidate, admits))
    );
  }
}

const ROOT_ROW = `SELECT w.file_id AS entryId, w.file_id AS fileId, w.file_id AS parent, '' AS name,
  w.mtime / 1000000000 AS mtimeS, w.mtime % 1000000000 AS mtimeN, NULL AS targetSize, w.mode, w.uid, w.gid, w.nlink,
  w.atime / 1000000000 AS atimeS, w.atime % 1000000000 AS atimeN,
  w.ctime / 1000000000 AS ctimeS, w.ctime % 1000000000 AS ctimeN FROM worktree_node w WHERE w.file_id = ?`;

function isValid(parent: DirectoryPath, name: string, ask: (path: TreePath) => boolean): boolean {
  try {
    return ask(joinPath(parent, name));
  } catch (error) {
    if (error instanceof PfsError || error instanceof PosixError) return false;
    throw error;
  }
}

function isTreePath(path: string): boolean {
  try {
    parseTreePath(path);
    return true;
  } catch {
    return false;
  }
}
