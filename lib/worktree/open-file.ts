/**
 * Owns one file that somebody has open: its bytes as its users see them (committed, or the draft that all its handles
 * share), its attributes while they are not yet saved, and why a save of it was refused. One object per file, however
 * many handles there are. Must never write the journal; save.ts does.
 */
import { PfsError, PosixError } from "../../schema/errors.ts";
import type { BlobHash, FileId } from "../../schema/ids.ts";
import { INLINE_MAX_BYTES } from "../blobs.ts";
import type { CommitOptions, FileState, RefusedCommit } from "../book-tree.ts";
import {
  type Content,
  type Draft,
  Fallocate,
  FileDraft,
  type InlineContent,
  MemoryDraft,
  ObjectContent,
} from "../content.ts";
import { ERRAND_MIN_BYTES } from "../errands.ts";
import { type Actor, FileType, type Node } from "../node.ts";
import { now, type Time } from "../time.ts";
import { requireDraft } from "./draft-limits.ts";
import { keepDisplaced } from "./keep-displaced.ts";
import { MissingBytes } from "./missing-bytes.ts";
import { releaseFile, saveFile } from "./save.ts";
import type { Tree } from "./tree.ts";

/** Attributes of a file as its users see them. */
export interface FileAttributes {
  mode: number;
  uid: number;
  gid: number;
  atime: Time | undefined;
  mtime: Time;
  ctime: Time;
}

const FIRST_DRAFT_BYTES = 16 * 1024;
let versions = 0;

export class OpenFile {
  fileId: FileId;
  parent: FileId;
  name: string;
  state: FileState;
  /** Hash of the committed version that the bytes here began with; null for a file that was never saved. */
  hash: BlobHash | null;
  attributes: FileAttributes;
  /** There is something that the journal does not have yet. */
  dirty = false;
  /** A save was refused for good; every later one gets the same answer. */
  refused: PfsError | undefined;
  /** What programs failed to write: while there is any, no draft is saved. */
  readonly missing = new MissingBytes();
  /** Differs whenever the bytes differ from what they were. */
  version = ++versions;
  /** Who wrote last, for a save that nobody waits for. */
  lastWriter: Actor | undefined;
  handles = 1;
  readonly #tree: Tree;
  #content: Content | undefined;
  #committedSize: number;

  constructor(
    tree: Tree,
    place: { fileId: FileId; parent: FileId; name: string },
    state: FileState,
    start: OpenStart,
  ) {
    this.#tree = tree;
    this.fileId = place.fileId;
    this.parent = place.parent;
    this.name = place.name;
    this.state = state;
    this.hash = start.hash;
    this.attributes = start.attributes;
    this.#content = start.content;
    this.#committedSize = start.size;
  }

  get isShared(): boolean {
    return this.handles > 1;
  }

  get size(): number {
    return this.#content?.size ?? this.#committedSize;
  }

  /** The draft, if there is one. */
  get draft(): Draft | undefined {
    const content = this.#content;
    return content instanceof MemoryDraft || content instanceof FileDraft ? content : undefined;
  }

  node(): Node {
    if (this.state === "scratch") return this.#tree.get(this.fileId) as Node;
    const { mode, uid, gid, mtime, ctime } = this.attributes;
    const atime = this.attributes.atime ?? mtime;
    return {
      fileId: this.fileId,
      parent: this.state === "orphan" ? (0 as FileId) : this.parent,
      name: this.state === "orphan" ? "" : this.name,
      mode,
      nlink: this.state === "orphan" ? 0 : 1,
      uid,
      gid,
      size: this.size,
      atimeSeconds: atime.seconds,
      atimeNanoseconds: atime.nanoseconds,
      mtimeSeconds: mtime.seconds,
      mtimeNanoseconds: mtime.nanoseconds,
      ctimeSeconds: ctime.seconds,
      ctimeNanoseconds: ctime.nanoseconds,
      hash: this.hash ?? undefined,
      tracked: this.state === "tracked" && this.hash !== null,
    };
  }

  /** To be called before the first read by whoever can come back. @throws Deferred where that would take long */
  prepare(): void {
    const { blobs } = this.#tree;
    if (this.#content !== undefined || this.hash === null) return;
    if (this.#committedSize < ERRAND_MIN_BYTES && !blobs.mayLack) return;
    try {
      blobs.deferFetching(this.hash);
      if (this.#committedSize < ERRAND_MIN_BYTES) return;
      const { fd, size } = blobs.openObject(this.hash, this.name, true);
      this.#content = new ObjectContent(fd, size);
    } catch (error) {
      // Damaged bytes can be opened, and replaced; who reads them is told.
      if (!(error instanceof PfsError) || error.code === "TOO_MANY") throw error;
    }
  }

  /**
   * Copies bytes from `offset` on into `target`; returns how many, 0 at the end.
   * @throws PfsError CORRUPT
   */
  read(offset: number, target: Uint8Array): number {
    return this.content().read(offset, target);
  }

  /**
   * A write that fails leaves the bytes as they were. Where it may have left a part of itself, or other bytes come after
   * it, the draft is not saved until the write was done again.
   * @throws PfsError TOO_LARGE, FULL, or why an earlier save was refused
   */
  write(offset: number, bytes: Uint8Array, actor: Actor): void {
    if (bytes.byteLength === 0) return;
    const end = offset + bytes.byteLength;
    this.#attempt(offset, end, actor, () => {
      const draft = this.#draftFor({ end, added: bytes.byteLength }, actor);
      draft.write(offset, bytes);
    });
    this.missing.written(offset, end);
    this.#changed(actor);
  }

  /** @throws as {@link write} */
  truncate(size: number, actor: Actor): void {
    const draft = this.#draftFor({ end: size, added: 0, kept: size }, actor);
    draft.truncate(size);
    this.missing.truncated(size);
    this.#changed(actor);
  }

  /** fallocate(2). @throws as {@link write}; PosixError EOPNOTSUPP */
  allocate(mode: number, offset: number, length: number, actor: Actor): void {
    if ((mode & ~FALLOCATE_MODES) !== 0) throw new PosixError("EOPNOTSUPP");
    const added = (mode & Fallocate.punchHole) === 0 ? length : 0;
    const end = offset + length;
    const draft = this.#draftFor({ end, added }, actor);
    // What only reserves space says nothing of bytes that are to come.
    if ((mode & ~Fallocate.keepSize) === 0) draft.allocate(mode, offset, length);
    else this.#attempt(offset, end, actor, () => draft.allocate(mode, offset, length));
    this.#changed(actor);
  }

  /** lseek(2) with SEEK_DATA (3) or SEEK_HOLE (4). @throws PosixError ENXIO */
  seek(offset: number, whence: number): number {
    return this.content().seek(offset, whence);
  }

  /**
   * Saves what is not saved yet.
   * @param options.durable also against power loss (fsync)
   * @throws PfsError CONFLICT and others: then nothing of the journal changed
   */
  commit(actor: Actor, options: CommitOptions): "committed" | "unchanged" {
    return saveFile(this.#tree, this, actor, options);
  }

  keepDisplaced(error: PfsError, refused: RefusedCommit): never {
    keepDisplaced(this.#tree, this, error, refused);
  }

  retain(): void {
    this.handles++;
  }

  /** Gives up one handle; the last one saves what is left (a late write through mmap) and frees the bytes. */
  release(actor: Actor): void {
    this.handles--;
    if (this.handles > 0) return;
    try {
      releaseFile(this.#tree, this, this.lastWriter ?? actor);
    } finally {
      this.#content?.close();
      this.#content = undefined;
    }
  }

  /** The bytes as they are. */
  content(): Content {
    this.#content ??= this.#tree.openContent(this);
    return this.#content;
  }

  /** Its path in the book, for messages; of an orphan the last name it had. */
  path(): string {
    return this.state === "orphan" ? this.name : this.#tree.pathOf(this.parent, this.name);
  }

  /** Answers what puts everything back as it is now, bytes by reading them anew. For a file with nothing unsaved. */
  capture(): () => void {
    const { fileId, parent, name, state, hash, size } = this;
    const attributes = { ...this.attributes };
    return () => {
      Object.assign(this, {
        fileId,
        parent,
        name,
        state,
        hash,
        attributes,
        dirty: false,
        version: ++versions,
      });
      this.replaceContent(undefined, size);
    };
  }

  /** Puts committed or converted bytes in the place of what was there. */
  replaceContent(content: Content | undefined, size: number): void {
    if (content !== this.#content) this.#content?.close();
    this.#content = content;
    this.#committedSize = size;
  }

  /** To be called when someone else has committed another version of this file, while there is no draft here. */
  reload(hash: BlobHash, size: number, attributes: FileAttributes): void {
    this.replaceContent(undefined, size);
    this.hash = hash;
    this.attributes = attributes;
    this.version = ++versions;
  }

  /** Does what changes the bytes from `offset` up to `end`; notes them as missing when it fails. */
  #attempt(offset: number, end: number, actor: Actor, change: () => void): void {
    try {
      change();
    } catch (error) {
      if (this.refused !== undefined) throw error;
      this.missing.note(offset, end, error);
      const { draft } = this;
      if (draft instanceof FileDraft && draft.isTorn) this.#changed(actor);
      throw error;
    }
  }

  #changed(actor: Actor): void {
    const time = now();
    this.attributes.mtime = time;
    this.attributes.ctime = time;
    this.lastWriter = actor;
    this.version = ++versions;
    if (this.state === "tracked") this.dirty = true;
  }

  /** The draft, made from the committed bytes if there is none, and moved to a file when it grows out of memory. */
  #draftFor(need: Need, actor: Actor): Draft {
    if (this.refused !== undefined) throw this.refused;
    this.#refuseTooMuch(need, actor);
    const { draft } = this;
    if (draft instanceof FileDraft) return draft;
    if (draft instanceof MemoryDraft && need.end <= INLINE_MAX_BYTES) return draft;
    if (this.state !== "scratch") requireDraft(this.#tree, () => this.path());
    const made = this.#makeDraft(need, actor);
    this.replaceContent(made, made.size);
    return made;
  }

  #refuseTooMuch({ end, added }: Need, actor: Actor): void {
    const tree = this.#tree;
    // Scratch may be of any size until it becomes a file of the book.
    if (this.state === "tracked" && end > tree.book.fileSizeLimitBytes)
      tree.refuseTooLarge(this.path(), actor);
    // A file may be made shorter on a full disk.
    if (added === 0 && end <= this.size) return;
    this.#recordingFull(actor, () => tree.store.checkSpace(added));
  }

  /** A full disk is told as a refusal. */
  #recordingFull<Result>(actor: Actor, action: () => Result): Result {
    try {
      return action();
    } catch (error) {
      if (error instanceof PfsError && error.code === "FULL")
        this.#tree.refusals.record(error, this.path(), actor);
      throw error;
    }
  }

  #makeDraft({ end, kept = Number.POSITIVE_INFINITY }: Need, actor: Actor): Draft {
    if (kept === 0 && this.state !== "scratch") return new MemoryDraft(EMPTY, FIRST_DRAFT_BYTES);
    const content = this.content();
    if (content instanceof ObjectContent) {
      // A file is cut short also on a disk that has no space for a copy of all that it was.
      if (kept <= INLINE_MAX_BYTES) return new MemoryDraft(firstBytes(content, kept), FIRST_DRAFT_BYTES);
      const object = this.#tree.blobs.objectPath(this.hash as BlobHash);
      return this.#recordingFull(actor, () => this.#tree.scratchFiles.copyDraft(object));
    }
    if (content instanceof FileDraft) return content;
    if (this.state === "scratch") return this.#tree.scratchFiles.open(this.fileId);
    const { bytes } = content as InlineContent | MemoryDraft;
    if (end <= INLINE_MAX_BYTES) return new MemoryDraft(bytes, FIRST_DRAFT_BYTES);
    return this.#tree.scratchFiles.createDraft(bytes);
  }
}

const EMPTY = new Uint8Array(0);
const FALLOCATE_MODES = Fallocate.keepSize | Fallocate.punchHole | Fallocate.zeroRange;

function firstBytes(content: Content, most: number): Uint8Array {
  const bytes = new Uint8Array(Math.min(most, content.size));
  content.read(0, bytes);
  return bytes;
}

/** What a change asks of the draft. */
interface Need {
  /** The size that it must have room for. */
  readonly end: number;
  /** Bytes that are new on the disk. */
  readonly added: number;
  /** How many of the bytes so far are of interest; default all. */
  readonly kept?: number;
}

/** What an open file begins with. */
export interface OpenStart {
  readonly hash: BlobHash | null;
  /** Bytes, where `content` comes later. */
  readonly size: number;
  readonly attributes: FileAttributes;
  readonly content: Content | undefined;
}

/** The attributes of a node, to be changed. */
export function attributesOf(node: Node): FileAttributes {
  const mtime = { seconds: node.mtimeSeconds, nanoseconds: node.mtimeNanoseconds };
  const atime = { seconds: node.atimeSeconds, nanoseconds: node.atimeNanoseconds };
  const sameTimes = atime.seconds === mtime.seconds && atime.nanoseconds === mtime.nanoseconds;
  return {
    mode: (node.mode & ~FileType.mask) | FileType.file,
    uid: node.uid,
    gid: node.gid,
    atime: sameTimes ? undefined : atime,
    mtime,
    ctime: { seconds: node.ctimeSeconds, nanoseconds: node.ctimeNanoseconds },
  };
}
