/**
 * Owns the book's tree as programs see it: the one interface of this floor for mounts and commands. One object per book and
 * layer, however many mounts show it. Synchronous; must never know what a mount is.
 */
import { type PfsError, PosixError } from "../../schema/errors.ts";
import type { FileId, Seq } from "../../schema/ids.ts";
import type { LogOperation } from "../../schema/log-row.ts";
import type { TreePath } from "../../schema/paths.ts";
import type { Book } from "../book.ts";
import type { BookTree } from "../book-tree.ts";
import type { Conflict, ConflictChoice } from "../conflict-table.ts";
import type { Content } from "../content.ts";
import {
  type Actor,
  type AttributeChange,
  type Change,
  FileType,
  type Identity,
  isDirectory,
  type Node,
} from "../node.ts";
import { type Space, spaceAt } from "../space.ts";
import { StrictChange } from "../strict-change.ts";
import { now } from "../time.ts";
import { setAttributes } from "./attributes.ts";
import { BOOK_XATTR_PREFIX, bookXattr } from "./book-xattrs.ts";
import { type ConflictVersion, openConflict, sizeInConflict } from "./conflict-versions.ts";
import type { Conflicts } from "./conflicts.ts";
import {
  createFile,
  linkNode,
  makeDirectory,
  makeNode,
  makeSymlink,
  type Place,
  readSymlink,
} from "./create.ts";
import { type Deletion, deletePath } from "./delete-path.ts";
import { type Resolution, removeConflict, resolveConflict } from "./end-conflict.ts";
import { listDirectory, type Visit } from "./listing.ts";
import { attributesOf, OpenFile } from "./open-file.ts";
import { isOwn } from "./overlay.ts";
import { type PublishedPath, publishOverlay } from "./publish-overlay.ts";
import { logRepeats } from "./refusal-log.ts";
import type { Refusals } from "./refusals.ts";
import { removeDirectory, restoreMovedAside, settleVacancies, unlink } from "./remove.ts";
import { prepareRename, type RenameFlags, rename } from "./rename.ts";
import { type PathRename, type RenamedPath, renamePaths } from "./rename-paths.ts";
import { type RestoredFile, restorePaths } from "./restore.ts";
import { type RevertedPath, revertPaths } from "./revert.ts";
import { Tree, type TreeParts } from "./tree.ts";
import { type FileToWrite, type WriteWishes, type WrittenFile, writeFile } from "./write-file.ts";

export class Worktree implements BookTree {
  /** For this floor's own use: import, export, verify. */
  readonly tree: Tree;

  constructor(parts: TreeParts) {
    this.tree = new Tree(parts);
    restoreMovedAside(this.tree);
    settleVacancies(this.tree, 0);
  }

  get book(): Book {
    return this.tree.book;
  }

  get rootId(): FileId {
    return this.tree.book.rootId;
  }

  /** A user's, rather than the base. */
  get isOverlay(): boolean {
    return this.tree.base !== undefined;
  }

  /** Of an overlay: whether the user has something at a node, or below it, rather than seeing the base's. */
  isOwn(node: Node): boolean {
    return isOwn(this.tree, node);
  }

  get refusals(): Refusals {
    return this.tree.refusals;
  }

  /** What was refused and nobody has decided about yet. */
  get conflicts(): Conflicts {
    return this.tree.conflicts;
  }

  /** The bytes of a version in a conflict's folder. @throws PfsError CORRUPT, NOT_FOUND: it has no such version; Deferred */
  openConflict(conflict: Conflict, version: ConflictVersion, mayDefer = false): Content {
    return openConflict(this.tree, conflict, version, mayDefer);
  }

  /** Their number. 0 for a version that is not there. */
  sizeInConflict(conflict: Conflict, version: ConflictVersion): number {
    return sizeInConflict(this.tree, conflict, version);
  }

  /** Saves one version of a conflict and ends it. @throws PfsError NOT_FOUND, CONFLICT, NOT_PERMITTED */
  resolveConflict(id: number, choice: ConflictChoice, actor: Actor): Resolution {
    return resolveConflict(this.tree, id, choice, actor);
  }

  /** Ends a conflict whose refused bytes nobody wants. @throws PfsError NOT_FOUND */
  removeConflict(id: number, actor: Actor): void {
    removeConflict(this.tree, id, actor);
  }

  /** Files open with something unsaved. */
  get draftCount(): number {
    let count = 0;
    for (const file of this.tree.openFiles.values()) if (file.dirty) count++;
    return count;
  }

  /** The node at a name; undefined also for names that no book could hold. @throws PosixError ENOENT: no such directory */
  lookup(parent: FileId, name: string): Node | undefined {
    return this.tree.lookup(parent, name);
  }

  /** The node with an id, orphans (nlink 0) too until they are forgotten. */
  get(fileId: FileId): Node | undefined {
    return this.tree.get(fileId);
  }

  /** @throws PosixError ENOENT */
  pathOf({ parent, name }: Node): TreePath {
    return this.tree.pathOf(parent, name);
  }

  refuse(error: PfsError, operation: LogOperation, actor: Actor): never {
    const startedMs = performance.now();
    this.tree.refuse(error, { operation, path: error.path ?? "", startedMs }, actor);
  }

  /** The directory that holds a directory; the root holds itself. */
  parentOf(directory: FileId): FileId | undefined {
    return this.tree.paths.find(directory)?.parent;
  }

  /**
   * Visits a directory's entries with a cookie greater than `after`, in ascending order, until `visit` says false. Cookies
   * are over 2^32 and stay the same for an entry's life; 0 starts.
   */
  list(parent: FileId, after: number, visit: Visit): void {
    listDirectory(this.tree, parent, after, visit);
  }

  /** open(2) with O_CREAT of a name that is free. @throws PosixError EEXIST, ENOENT, ENAMETOOLONG; PfsError SCHEMA_VIOLATION, INVALID_PATH */
  create(parent: FileId, name: string, mode: number, actor: Actor): OpenFile {
    return createFile(this.tree, { parent, name }, mode, actor);
  }

  /** mknod(2): regular files, fifos, sockets. @throws as {@link create}; PfsError NOT_PERMITTED for devices */
  makeNode(parent: FileId, name: string, mode: number, actor: Actor): Node {
    return makeNode(this.tree, { parent, name }, mode, actor);
  }

  /** mkdir(2). @throws as {@link create} */
  makeDirectory(parent: FileId, name: string, mode: number, actor: Actor): Node {
    return makeDirectory(this.tree, { parent, name }, mode, actor);
  }

  /** symlink(2). @throws as {@link create} */
  makeSymlink(parent: FileId, name: string, target: Uint8Array, actor: Actor): Node {
    return makeSymlink(this.tree, { parent, name }, target, actor);
  }

  /** readlink(2). @throws PosixError ENOENT, EINVAL; PfsError CORRUPT */
  readSymlink(fileId: FileId, mayDefer = false): Uint8Array {
    return readSymlink(this.tree, fileId, mayDefer);
  }

  /** link(2), between scratch names only. @throws PfsError NOT_PERMITTED; PosixError EEXIST */
  link(fileId: FileId, parent: FileId, name: string, actor: Actor): Node {
    return linkNode(this.tree, fileId, { parent, name }, actor);
  }

  /** unlink(2). @throws PosixError ENOENT, EISDIR */
  unlink(parent: FileId, name: string, actor: Actor): Identity[] {
    return unlink(this.tree, { parent, name }, actor);
  }

  /** Deletes the book's file at a path, if there is one (R3). @throws PosixError EISDIR */
  delete(path: TreePath, actor: Actor): Deletion {
    return deletePath(this.tree, path, actor);
  }

  /** Writes the next version of a path. @throws as {@link writeFile} */
  write(file: FileToWrite, wishes: WriteWishes, actor: Actor): WrittenFile {
    return writeFile(this.tree, file, wishes, actor);
  }

  /** Brings paths back to their state at a position of the log. @throws as {@link restorePaths} */
  restore(seq: Seq, paths: readonly string[], actor: Actor): RestoredFile[] {
    return restorePaths(this.tree, seq, paths, actor);
  }

  /** rmdir(2). @throws PosixError ENOENT, ENOTDIR, ENOTEMPTY */
  removeDirectory(parent: FileId, name: string, actor: Actor): Identity[] {
    removeDirectory(this.tree, { parent, name }, actor);
    return [];
  }

  /** renameat2(2). @throws see rename.ts */
  prepareRename(from: Place, to: Place, flags: RenameFlags): void {
    prepareRename(this.tree, from, to, flags);
  }

  rename(from: Place, to: Place, flags: RenameFlags, actor: Actor): Identity[] {
    return rename(this.tree, from, to, flags, actor);
  }

  /** Renames files by path, each to a name that is free. What cannot be renamed stays, and the answer says why. */
  renamePaths(renames: readonly PathRename[], actor: Actor): RenamedPath[] {
    return renamePaths(this.tree, renames, actor);
  }

  /** chmod(2), chown(2), utimensat(2), truncate(2). @throws see attributes.ts */
  setAttributes(fileId: FileId, change: AttributeChange, actor: Actor): Node {
    return setAttributes(this.tree, fileId, change, actor, (id) => this.open(id));
  }

  /** open(2) of what exists; to be released once. @throws PosixError ENOENT, EISDIR, ENXIO */
  open(fileId: FileId): OpenFile {
    const open = this.tree.openFiles.get(fileId);
    if (open !== undefined) {
      open.retain();
      return open;
    }
    const node = this.tree.get(fileId);
    if (node === undefined) throw new PosixError("ENOENT");
    if (isDirectory(node.mode)) throw new PosixError("EISDIR");
    if ((node.mode & FileType.mask) !== FileType.file) throw new PosixError("ENXIO");
    const state = node.nlink === 0 ? "orphan" : node.hash !== undefined ? "tracked" : "scratch";
    const file = new OpenFile(this.tree, { fileId, parent: node.parent, name: node.name }, state, {
      hash: node.hash ?? null,
      size: node.size,
      attributes: attributesOf(node),
      content: undefined,
    });
    this.tree.openFiles.set(fileId, file);
    return file;
  }

  /** What a request of a strict mount is about to do. */
  newStrictChange(): StrictChange {
    const { store, log, blobs, book } = this.tree;
    return new StrictChange({ store, log, blobs, bookId: book.bookId });
  }

  /** Does something that stays only once the shared log has it. @throws as {@link StrictGate.run} */
  strictly<Result>(change: StrictChange, action: () => Result): Result {
    return this.tree.strict.run(change, action);
  }

  getXattr(fileId: FileId, name: string): Uint8Array | undefined {
    if (name.startsWith(BOOK_XATTR_PREFIX)) return bookXattr(this.tree, fileId, name);
    return this.tree.xattrs.get(fileId, name);
  }

  listXattrs(fileId: FileId): string[] {
    return this.tree.xattrs.list(fileId);
  }

  /** setxattr(2). @throws PosixError EEXIST, ENODATA, EOPNOTSUPP, E2BIG, ENOSPC */
  setXattr(
    fileId: FileId,
    name: string,
    value: Uint8Array,
    flags: { create: boolean; replace: boolean },
    actor: Actor,
  ): void {
    requireForeign(name);
    this.#changeXattrs(fileId, actor, () => this.tree.xattrs.set(fileId, name, value, flags));
  }

  /** removexattr(2). @throws PosixError ENODATA */
  removeXattr(fileId: FileId, name: string, actor: Actor): void {
    requireForeign(name);
    this.#changeXattrs(fileId, actor, () => this.tree.xattrs.remove(fileId, name));
  }

  #changeXattrs(fileId: FileId, actor: Actor, change: () => void): void {
    const node = this.tree.get(fileId);
    if (node === undefined) throw new PosixError("ENOENT");
    // There is nothing to keep them with: an orphan is in memory only.
    if (node.nlink === 0) throw new PosixError("EOPNOTSUPP");
    // A file that was never saved is, too: it is saved now, so that they are never left without it.
    const file = this.tree.openFiles.get(fileId);
    if (file !== undefined && this.tree.newborn(file.parent, file.name) === file)
      file.commit(actor, { durable: false });
    const ctime = now();
    this.tree.store.transaction(() => {
      change();
      this.tree.entries.setAttributes(fileId, { ctime });
    });
    this.tree.scratchFiles.touch(fileId);
    if (file !== undefined) file.attributes.ctime = ctime;
    this.tree.notify({ type: "attributes", fileId }, actor);
  }

  /** The kernel that removed it knows this node no more. */
  forget(fileId: FileId): void {
    this.tree.orphans.delete(fileId);
  }

  onChange(listener: (change: Change, origin: object | undefined) => void): () => void {
    return this.tree.onChange(listener);
  }

  /** Turns paths that were vacated at least `minimumAgeMs` ago, `most` at the most, into deletes of the log; says how many. */
  settle(minimumAgeMs: number, most?: number): number {
    return settleVacancies(this.tree, minimumAgeMs, most);
  }

  /** Tells the log how often what was refused came again, if the first time was `minimumAgeMs` ago or longer. */
  settleRefusals(minimumAgeMs: number): void {
    logRepeats(this.tree, minimumAgeMs);
  }

  /** Makes the base show again in an overlay. @throws as {@link revertPaths} */
  revert(paths: readonly string[], actor: Actor): RevertedPath[] {
    return revertPaths(this.tree, paths, actor);
  }

  /** Does to the base what was done in an overlay. @throws as {@link publishOverlay} */
  publish(paths: readonly string[], actor: Actor): PublishedPath[] {
    return publishOverlay(this.tree, paths, actor);
  }

  /** Ends an overlay's part in the base's changes. False while something in it is open or waits. */
  close(): boolean {
    if (this.tree.openFiles.size > 0 || this.hasVacancies) return false;
    this.settleRefusals(0);
    this.tree.close();
    return true;
  }

  /** Whether {@link settle} has something to do, now or soon. */
  get hasVacancies(): boolean {
    return this.tree.vacancies.count > 0;
  }

  /** fsync(2) of a directory, syncfs(2): makes everything committed so far durable. */
  sync(): void {
    this.tree.store.sync();
  }

  space(): Space {
    return spaceAt(this.tree.store.directory);
  }
}

/** @throws PosixError EPERM for what the book says itself */
function requireForeign(name: string): void {
  if (name.startsWith(BOOK_XATTR_PREFIX)) throw new PosixError("EPERM", `${name} is the book's own.`);
}
