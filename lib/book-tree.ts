/**
 * Owns, as an interface, what a mount asks of the tree that it shows: the book as it is now (worktree/) or as it was
 * (past/). Synchronous; must never know what a mount is.
 */
import type { PfsError } from "../schema/errors.ts";
import type { BlobHash, FileId } from "../schema/ids.ts";
import type { LogOperation } from "../schema/log-row.ts";
import type { Book } from "./book.ts";
import type { Deferred } from "./errands.ts";
import type { Actor, AttributeChange, Change, Identity, Node } from "./node.ts";
import type { Space } from "./space.ts";
import type { Place } from "./worktree/create.ts";
import type { Visit } from "./worktree/listing.ts";
import type { RenameFlags } from "./worktree/rename.ts";

/** `tracked`: in the journal, or will be at its first save. `orphan`: has no name any more and is never saved. */
export type FileState = "tracked" | "scratch" | "orphan";

export interface CommitOptions {
  /** Also against power loss (fsync). */
  readonly durable: boolean;
  /** Whoever asks can come back: what takes long may be left to others, by a {@link Deferred}. Default false. */
  readonly mayDefer?: boolean;
}

/** A commit that is refused because another file has the path by now. */
export interface RefusedCommit {
  readonly operation: LogOperation;
  readonly actor: Actor;
  /** As of {@link CommitOptions}. */
  readonly mayDefer: boolean;
}

/** A file that somebody has open; one object per file, however many handles there are. */
export interface TreeFile {
  readonly fileId: FileId;
  readonly state: FileState;
  /** Hash of the committed version that its bytes began with; null for one that was never saved, and for scratch. */
  readonly hash: BlobHash | null;
  /** Bytes. */
  readonly size: number;
  /** There is something that the journal does not have yet. */
  readonly dirty: boolean;
  /** Who wrote last, for a save that nobody waits for. */
  readonly lastWriter: Actor | undefined;
  /** More than one handle of it is open. */
  readonly isShared: boolean;
  node(): Node;
  /** To be called before the first read by whoever can come back. @throws Deferred where that would take long */
  prepare(): void;
  /** Copies bytes from `offset` on into `target`; returns how many, 0 at the end. @throws PfsError CORRUPT */
  read(offset: number, target: Uint8Array): number;
  /** @throws PfsError READ_ONLY, TOO_LARGE, FULL, or why an earlier save was refused */
  write(offset: number, bytes: Uint8Array, actor: Actor): void;
  /** @throws as {@link write} */
  truncate(size: number, actor: Actor): void;
  /** fallocate(2). @throws as {@link write}; PosixError EOPNOTSUPP */
  allocate(mode: number, offset: number, length: number, actor: Actor): void;
  /** lseek(2) with SEEK_DATA (3) or SEEK_HOLE (4). @throws PosixError ENXIO */
  seek(offset: number, whence: number): number;
  /** Saves what is not saved yet. @throws PfsError CONFLICT and others; Deferred */
  commit(actor: Actor, options: CommitOptions): "committed" | "unchanged";
  /**
   * Another file has its path, so that what was written can no longer be saved: it is kept as a conflict.
   * @param error the refusal, which names the path
   * @throws PfsError always; Deferred
   */
  keepDisplaced(error: PfsError, refused: RefusedCommit): never;
  /** Gives up one handle. */
  release(actor: Actor): void;
}

export interface BookTree {
  readonly book: Book;
  readonly rootId: FileId;
  /** The node at a name; undefined also for names that no book could hold. @throws PosixError ENOENT: no such directory */
  lookup(parent: FileId, name: string): Node | undefined;
  /** The node with an id that this tree has named before. */
  get(fileId: FileId): Node | undefined;
  /** The directory that holds a directory; the root holds itself. */
  parentOf(directory: FileId): FileId | undefined;
  /** Where a node is, from the book's root. */
  pathOf(node: Node): string;
  /** Records, and logs where the log has a row for it, that a change was refused before it began; throws `error`. */
  refuse(error: PfsError, operation: LogOperation, actor: Actor): never;
  /**
   * Visits a directory's entries with a cookie greater than `after`, in ascending order, until `visit` says false. Cookies
   * are over 2^32 and stay the same for an entry's life; 0 starts.
   */
  list(parent: FileId, after: number, visit: Visit): void;
  /** open(2) of what exists; to be released once. @throws PosixError ENOENT, EISDIR, ENXIO */
  open(fileId: FileId): TreeFile;
  /** readlink(2). @throws PosixError ENOENT, EINVAL; PfsError CORRUPT, UNAVAILABLE; Deferred, if `mayDefer`, where its target must be fetched */
  readSymlink(fileId: FileId, mayDefer?: boolean): Uint8Array;
  getXattr(fileId: FileId, name: string): Uint8Array | undefined;
  listXattrs(fileId: FileId): string[];
  space(): Space;
  /** No kernel knows this node any more. */
  forget(fileId: FileId): void;
  onChange(listener: (change: Change, origin: object | undefined) => void): () => void;

  /** open(2) with O_CREAT of a name that is free. @throws PfsError READ_ONLY, as every method from here on, and others */
  create(parent: FileId, name: string, mode: number, actor: Actor): TreeFile;
  /** mknod(2). */
  makeNode(parent: FileId, name: string, mode: number, actor: Actor): Node;
  /** mkdir(2). */
  makeDirectory(parent: FileId, name: string, mode: number, actor: Actor): Node;
  /** symlink(2). */
  makeSymlink(parent: FileId, name: string, target: Uint8Array, actor: Actor): Node;
  /** link(2). */
  link(fileId: FileId, parent: FileId, name: string, actor: Actor): Node;
  /** unlink(2). */
  unlink(parent: FileId, name: string, actor: Actor): Identity[];
  /** rmdir(2). */
  removeDirectory(parent: FileId, name: string, actor: Actor): Identity[];
  /** To be called before {@link rename} by whoever can come back. @throws Deferred where bytes must be fetched for it; PfsError UNAVAILABLE */
  prepareRename(from: Place, to: Place, flags: RenameFlags): void;
  /** renameat2(2). */
  rename(from: Place, to: Place, flags: RenameFlags, actor: Actor): Identity[];
  /** chmod(2), chown(2), utimensat(2), truncate(2). */
  setAttributes(fileId: FileId, change: AttributeChange, actor: Actor): Node;
  /** setxattr(2). */
  setXattr(
    fileId: FileId,
    name: string,
    value: Uint8Array,
    flags: { create: boolean; replace: boolean },
    actor: Actor,
  ): void;
  /** removexattr(2). */
  removeXattr(fileId: FileId, name: string, actor: Actor): void;
  /** fsync(2) of a directory, syncfs(2). */
  sync(): void;
}
