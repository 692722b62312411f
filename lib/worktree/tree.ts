/**
 * Owns what all operations on one book's tree share: its tables, its open files, the names that are only in memory, and
 * how a name is found. One Tree per book and layer, however many mounts show it; a user's lies over the base's. Must never
 * know what a mount is.
 */
import type { Statement } from "better-sqlite3";
import { PfsError } from "../../schema/errors.ts";
import { BASE, type BlobHash, type FileId, type UserId } from "../../schema/ids.ts";
import { joinPath, parseTreePath, ROOT, type TreePath } from "../../schema/paths.ts";
import type { Blobs } from "../blobs.ts";
import type { Book } from "../book.ts";
import { type Content, InlineContent, ObjectContent } from "../content.ts";
import { Journal, type JournalRow } from "../journal.ts";
import type { Log } from "../log.ts";
import { type Actor, type Change, FileType, type Node } from "../node.ts";
import type { Store } from "../store.ts";
import type { StrictGate } from "../strict-gate.ts";
import { compareTimes, type Time } from "../time.ts";
import { Conflicts } from "./conflicts.ts";
import { DirectoryPaths } from "./directory-paths.ts";
import { Entries } from "./entries.ts";
import { followBase } from "./follow-base.ts";
import { isDecoratedDirectory } from "./name-class.ts";
import { NodeCache } from "./node-cache.ts";
import {
  type LocalRow,
  localNode,
  SELECT_ROOT,
  SELECT_TRACKED,
  SHARED_LINKS,
  type TrackedRow,
  trackedNode,
} from "./node-rows.ts";
import type { OpenFile } from "./open-file.ts";
import { OverlaysAbove } from "./overlays-above.ts";
import { logRefusal } from "./refusal-log.ts";
import { Refusals, type RefusedOperation } from "./refusals.ts";
import { ScratchFiles } from "./scratch-files.ts";
import { SharedBase } from "./shared-base.ts";
import { Vacancies } from "./vacancies.ts";
import { Xattrs } from "./xattrs.ts";

export interface TreeParts {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly log: Log;
  readonly strict: StrictGate;
  readonly book: Book;
  /** The tree that this one lies over; without one it is the base itself. */
  readonly base?: Tree | undefined;
  /** Whose overlay it is. */
  readonly userId?: UserId | undefined;
}

export class Tree {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly log: Log;
  readonly strict: StrictGate;
  readonly book: Book;
  /** Whose layer this is. */
  readonly layer: UserId;
  readonly base: Tree | undefined;
  /** What is seen of the base; undefined for the base itself. */
  readonly shared: SharedBase | undefined;
  /** What is done for overlays when the base's names change; undefined for an overlay. */
  readonly above: OverlaysAbove | undefined;
  /** The overlays that are in use, over this base. */
  readonly overlays = new Set<Tree>();
  readonly journal: Journal;
  readonly entries: Entries;
  readonly paths: DirectoryPaths;
  readonly scratchFiles: ScratchFiles;
  readonly xattrs: Xattrs;
  readonly vacancies: Vacancies;
  readonly refusals: Refusals;
  readonly conflicts: Conflicts;
  /** Every file that somebody has open, orphans included. */
  readonly openFiles = new Map<FileId, OpenFile>();
  /** Files that were created and never saved, by directory and name. */
  readonly newborns = new Map<FileId, Map<string, OpenFile>>();
  /** Removed nodes that a kernel may still ask about. */
  readonly orphans = new Map<FileId, Node>();
  readonly #nodes: NodeCache;
  readonly #touched = new Map<FileId, Time>();
  /** The name that was last looked for in vain: the kernel does before it makes it. */
  #missed: { readonly parent: FileId; readonly name: string; readonly writeCount: number } = {
    parent: 0 as FileId,
    name: "",
    writeCount: -1,
  };
  readonly #trackedByPath: Statement<unknown[], TrackedRow>;
  readonly #trackedById: Statement<unknown[], TrackedRow>;
  readonly #trackedIn: Statement<unknown[], TrackedRow>;
  readonly #root: Statement<unknown[], LocalRow>;
  readonly #listeners = new Set<(change: Change, origin: object | undefined) => void>();
  readonly #unfollow: (() => void) | undefined;

  constructor({ store, blobs, log, strict, book, base, userId = BASE }: TreeParts) {
    this.store = store;
    this.blobs = blobs;
    this.log = log;
    this.strict = strict;
    this.refusals = new Refusals(log.counters);
    this.book = book;
    this.layer = userId;
    this.base = base;
    this.journal = new Journal(store, book.bookId, this.layer);
    this.entries = new Entries(store, this.layer);
    this.#nodes = new NodeCache(store);
    this.paths = new DirectoryPaths({
      store,
      root: book.rootId,
      userId: this.layer,
      base: base?.paths,
      isDecoration: (name, parent) => isDecoratedDirectory(book.profile, name, parent),
    });
    this.shared =
      base === undefined
        ? undefined
        : new SharedBase({
            store,
            bookId: book.bookId,
            userId: this.layer,
            entries: this.entries,
            journal: this.journal,
            baseJournal: base.journal,
            basePaths: base.paths,
          });
    this.above =
      base === undefined ? new OverlaysAbove({ store, log, book, overlays: this.overlays }) : undefined;
    this.scratchFiles = new ScratchFiles(store);
    this.xattrs = new Xattrs(store, this.layer, base?.xattrs);
    this.vacancies = new Vacancies(store, book.bookId, this.layer);
    this.conflicts = new Conflicts(store, book.bookId, this.layer);
    this.#trackedByPath = store.database.prepare(
      `${SELECT_TRACKED} WHERE j.book_id = +? AND j.path = +? AND j.user_id = +? AND j.parent IS NOT NULL`,
    );
    this.#root = store.database.prepare(SELECT_ROOT);
    this.#trackedById = store.database.prepare(
      `${SELECT_TRACKED} WHERE j.file_id = +? AND j.user_id = +? AND j.parent IS NOT NULL`,
    );
    this.#trackedIn = store.database.prepare(
      `${SELECT_TRACKED} WHERE j.parent = +? AND j.file_id > +? AND j.user_id = +? ORDER BY j.file_id LIMIT ?`,
    );
    this.#unfollow = base === undefined ? undefined : followBase(this, base, this.#listeners);
  }

  /** @throws PosixError ENOENT when the directory was removed */
  lookup(parent: FileId, name: string): Node | undefined {
    this.store.read();
    const newborn = this.newborn(parent, name);
    if (newborn !== undefined) return newborn.node();
    const { writeCount, isWriting } = this.store;
    const missed = this.#missed;
    if (missed.name === name && missed.parent === parent && missed.writeCount === writeCount && !isWriting)
      return undefined;
    const found = this.#lookup(parent, name);
    if (found === undefined && !isWriting) this.#missed = { parent, name, writeCount };
    return found;
  }

  #lookup(parent: FileId, name: string): Node | undefined {
    const place = this.paths.get(parent);
    const path = place.path === ROOT ? name : `${place.path}/${name}`;
    if (!place.scratch) {
      const row = this.#trackedByPath.get(this.book.bookId, path, this.layer);
      if (row !== undefined) return this.current(row);
    }
    const local = this.entries.find(parent, name);
    if (local !== undefined) return this.localNode(local);
    return place.own ? undefined : this.#lookupShared(parent, name, path);
  }

  get(fileId: FileId): Node | undefined {
    if (fileId === this.book.rootId) return this.#rootNode();
    const open = this.openFiles.get(fileId);
    if (open !== undefined && open.state !== "scratch") return open.node();
    const known = this.#nodes.get(fileId);
    if (known !== undefined) return this.#withTouch(known);
    this.store.read();
    const row = this.tracked(fileId);
    if (row !== undefined) return this.#nodes.keep(trackedNode(row, this.store));
    const local = this.entries.findById(fileId) ?? this.shared?.directoryById(fileId);
    // Who makes file after file asks for their directory twice each time.
    if (local !== undefined && isDirectory(local))
      return this.#withTouch(this.#nodes.keep(localNode(local, this.store, undefined)));
    if (local !== undefined) return this.localNode(local);
    return this.orphans.get(fileId);
  }

  /**
   * What the journal has for a name of this layer, be it vacated or, in an overlay, the base's version that shows there.
   * @throws PosixError ENOENT: no such directory
   */
  version({ parent, name }: { parent: FileId; name: string }): JournalRow | undefined {
    const path = this.pathOf(parent, name);
    const own = this.journal.get(path);
    if (own !== undefined || this.shared === undefined || this.paths.get(parent).own) return own;
    return this.shared.version(parent, name, path);
  }

  /** The version of a path that was vacated a moment ago and now is free. */
  vacatedVersion(place: { parent: FileId; name: string }): JournalRow | undefined {
    if (this.vacancies.count === 0 || !this.vacancies.has(this.pathOf(place.parent, place.name)))
      return undefined;
    return this.version(place);
  }

  /** In an overlay: what the base has under a name, also if the overlay has something of its own there. */
  beneath({ parent, name }: { parent: FileId; name: string }): JournalRow | "directory" | undefined {
    const { shared } = this;
    if (shared === undefined || this.paths.find(parent)?.own !== false) return undefined;
    const row = shared.version(parent, name, this.pathOf(parent, name));
    if (row !== undefined && row.parent !== null) return row;
    return shared.directory(parent, name) === undefined ? undefined : "directory";
  }

  /** Ends this tree's part in what changes in the base. */
  close(): void {
    this.#unfollow?.();
  }

  /** The row of a file that is to be seen, wherever it is; the overlay's own before the base's. */
  tracked(fileId: FileId): TrackedRow | undefined {
    return this.#trackedById.get(fileId, this.layer) ?? this.shared?.fileById(fileId);
  }

  /** Tracked files of a directory with a file id greater than `after`, ascending, at most `limit`. */
  trackedIn(directory: FileId, after: number, limit: number): TrackedRow[] {
    return this.#trackedIn.all(directory, after, this.layer, limit);
  }

  localNode(row: LocalRow): Node {
    const type = (row.mode ?? 0) & FileType.mask;
    const state = type === FileType.file ? this.scratchFiles.state(row.fileId) : undefined;
    return this.#withTouch(localNode(row, this.store, state));
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

  /** The path of a name in a directory. @throws as {@link joinPath}; PosixError ENOENT */
  pathOf(parent: FileId, name: string): TreePath {
    return joinPath(this.paths.get(parent).path, name);
  }

  /** To be called when a directory was moved or removed: overlays remember paths of the base's, too. */
  forgetPaths(): void {
    this.paths.forgetAll();
    for (const overlay of this.overlays) overlay.paths.forgetAll();
  }

  /** The bytes of a committed file. @throws PfsError CORRUPT */
  openContent(file: OpenFile): Content {
    if (file.state === "scratch" && this.scratchFiles.state(file.fileId) !== undefined)
      return this.scratchFiles.open(file.fileId);
    if (file.hash === null) return new InlineContent(new Uint8Array(0));
    return this.openBlob(file.hash, file.path());
  }

  /** `path` is for the message. @throws PfsError CORRUPT; Deferred, if `mayDefer`, where that takes long */
  openBlob(hash: BlobHash, path: string, mayDefer = false): Content {
    if (mayDefer) this.blobs.deferFetching(hash);
    const bytes = this.blobs.readInline(hash, path);
    if (bytes !== undefined) return new InlineContent(bytes);
    const object = this.blobs.openObject(hash, path, mayDefer);
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

  /** Logs and records a refusal, then throws it. Within a transaction, which it undoes, its row is written after that. */
  refuse(error: PfsError, operation: RefusedOperation, actor: Actor): never {
    const { path } = operation;
    const hasRow = isTreePath(path);
    const isNew = this.refusals.record(error, path, actor, hasRow ? operation.operation : undefined);
    if (isNew && hasRow) {
      const log = (): void => logRefusal(this, error, operation, actor);
      if (this.store.isWriting) this.store.afterwards(log);
      else log();
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
    if (actor !== undefined) this.log.noteMaker(actor);
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

  #lookupShared(parent: FileId, name: string, path: string): Node | undefined {
    const { shared } = this;
    if (shared === undefined || this.vacancies.has(path)) return undefined;
    const row = shared.file(parent, name, path);
    if (row !== undefined) return this.current(row);
    const directory = shared.directory(parent, name);
    return directory === undefined ? undefined : this.localNode(directory);
  }

  #rootNode(): Node | undefined {
    this.store.read();
    const row = this.#root.get(this.layer, this.book.rootId, BASE);
    if (row === undefined) return undefined;
    return this.localNode(this.shared === undefined ? row : { ...row, nlink: SHARED_LINKS });
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
}

function isDirectory({ mode }: LocalRow): boolean {
  return ((mode ?? 0) & FileType.mask) === FileType.directory;
}

function isTreePath(path: string): boolean {
  try {
    parseTreePath(path);
    return true;
  } catch {
    return false;
  }
}
