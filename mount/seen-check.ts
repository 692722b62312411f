/**
 * Owns who may replace a version of a file (W1): whoever read an older one may not, until it has read the current one. One
 * object per tree, shared by its mounts, whose modes may differ. Decides before anything is destroyed; must never change a
 * file itself.
 */
import type { BookTree, TreeFile } from "../lib/book-tree.ts";
import { FileType, type Identity, type Node } from "../lib/node.ts";
import { PfsError, PosixError } from "../schema/errors.ts";
import type { BlobHash, FileId } from "../schema/ids.ts";
import type { LogOperation } from "../schema/log-row.ts";
import type { CheckMode } from "../schema/mount-options.ts";
import { DraftWriters } from "./draft-writers.ts";
import { LastReads, UNSURE } from "./last-reads.ts";
import type { RequestActor } from "./request-actor.ts";

/** What is known of who uses one open file. */
export interface HandleKnowledge {
  /** The process that opened it, if it may write; who inherited the descriptor knows what it knows. */
  opener: number;
  /** The version that was last read through it. */
  seen: BlobHash | null;
  /** The thread that was last allowed to write, and which version of which file it was to replace. */
  clearedThread: number;
  clearedFile: FileId | 0;
  clearedHash: BlobHash | null;
}

export function noKnowledge(opener: number): HandleKnowledge {
  return { opener, seen: null, clearedThread: 0, clearedFile: 0, clearedHash: null };
}

/** A change that is about to happen. */
interface Wish {
  readonly check: CheckMode;
  readonly actor: RequestActor;
  readonly operation: LogOperation;
}

/** What was written is about to be saved, or refused for good: then it is to be kept. */
interface CommitWish extends Wish {
  readonly mayDefer: boolean;
}

/** What is to be replaced, moved away or removed, and what its would-be writer knows of it. */
interface Candidate {
  readonly fileId: FileId;
  readonly current: BlobHash | null;
  readonly pids: readonly number[];
  readonly seen: BlobHash | null;
  /** Others are writing it right now. */
  readonly isBeingWritten: boolean;
}

interface Displaced {
  readonly parent: FileId;
  readonly name: string;
  /** The process that did it. */
  readonly pid: number;
}

/** Paths of which it is remembered which file left them. */
const MAX_LEFT = 4096;

export class SeenCheck {
  readonly lastReads = new LastReads();
  readonly #drafts = new DraftWriters(this.lastReads);
  readonly #tree: BookTree;
  /** The file that was removed from a path or moved away, for whoever writes that path from memory. */
  readonly #left = new Map<string, FileId>();
  readonly #expected = new Map<FileId, BlobHash | null>();
  /** Where files were that have lost their path while they may be open, by the id that they have since. */
  readonly #displaced = new Map<FileId, Displaced>();

  constructor(tree: BookTree) {
    this.#tree = tree;
  }

  /**
   * open(2) that can only read: counts as having read the version that there is, unless that is not sure to be what the kernel
   * shows, or there is a draft. No system call, no query.
   */
  openedForReading(tid: number, file: TreeFile, isSure: boolean): BlobHash | null {
    if (file.state !== "tracked") {
      if (file.state === "orphan") this.#readOrphan(tid, file.fileId);
      return null;
    }
    const hash = isSure ? versionOf(file) : UNSURE;
    this.lastReads.note(tid, file.fileId, hash);
    return hash;
  }

  /** A kernel that does not know yet that a path has another file opens the one that was there: an older version of the path. */
  #readOrphan(tid: number, fileId: FileId): void {
    const place = this.#displaced.get(fileId);
    if (place === undefined || place.pid === this.lastReads.ownerOf(tid)) return;
    const successor = this.#successorAt(place);
    if (successor?.tracked === true) this.lastReads.note(tid, successor.fileId, UNSURE);
  }

  /** Bytes are read through a handle that has not read this version, or draft, yet. */
  read(handle: HandleKnowledge, tid: number, file: TreeFile, isSure: boolean): void {
    const seen = this.openedForReading(tid, file, isSure);
    if (seen !== null) handle.seen = seen;
  }

  /** A thread that has a file open may read of the draft that begins: unless it is of the `writers`, what it has read is no version. */
  doubt(handle: HandleKnowledge, fileId: FileId, tid: number, writers: readonly number[]): void {
    const pid = this.lastReads.ownerOf(tid);
    if (pid === undefined || writers.includes(pid)) return;
    if (handle.seen !== null) handle.seen = UNSURE;
    this.lastReads.doubt(pid, fileId);
  }

  /** Whether a process knows the current version. */
  knowsCurrent(pid: number, { fileId, hash }: TreeFile): boolean {
    this.#drafts.settle(fileId);
    this.lastReads.settle();
    return this.lastReads.lastRead(pid, fileId) === hash || this.lastReads.lastWritten(pid, fileId) === hash;
  }

  /** Whether a process may not replace the version that there is. */
  wouldRefuse(check: CheckMode, pid: number, file: TreeFile): boolean {
    if (check === "off" || file.hash === null || this.knowsCurrent(pid, file)) return false;
    return check === "require" || this.lastReads.lastRead(pid, file.fileId) !== undefined;
  }

  /** Whether the process of a thread knows the current version already. */
  isKnown(tid: number, file: TreeFile): boolean {
    const pid = this.lastReads.ownerOf(tid);
    return pid !== undefined && this.knowsCurrent(pid, file);
  }

  /** A file is being created: what is written into it needs no knowledge of anything. */
  created(file: TreeFile, path: string, actor: RequestActor): void {
    this.#drafts.join(file, actor.pid, actor.pid);
    this.cameTo(path, file.fileId);
  }

  /**
   * To be called before bytes of an open file change. True if a draft begins with that.
   * @throws PfsError CONFLICT, HASH_REQUIRED
   */
  beforeWrite(handle: HandleKnowledge, file: TreeFile, wish: Wish): boolean {
    if (this.#displaced.size > 0) this.refuseDisplaced(handle, file, wish);
    if (file.state !== "tracked") return false;
    const { actor } = wish;
    if (
      file.dirty &&
      handle.clearedThread === actor.tid &&
      handle.clearedHash === file.hash &&
      handle.clearedFile === file.fileId
    )
      return false;
    const { pid } = actor;
    const opener = handle.opener === 0 ? pid : handle.opener;
    this.#drafts.settle(file.fileId);
    if (!this.#drafts.includes(file, pid, opener)) {
      const pids = opener === pid ? [pid] : [pid, opener];
      const candidate = { fileId: file.fileId, current: file.hash, pids, seen: handle.seen };
      this.#judge({ ...candidate, isBeingWritten: file.dirty }, file, wish);
    }
    this.#drafts.join(file, pid, opener);
    handle.clearedThread = actor.tid;
    handle.clearedHash = file.hash;
    handle.clearedFile = file.fileId;
    return !file.dirty;
  }

  /** Bytes came through a mapping of the file, whose owner the kernel does not tell. */
  wroteThroughMapping(file: TreeFile): void {
    this.#drafts.noteMapped(file);
  }

  /**
   * Whether a handle through which nothing was written has nothing to save either when it is closed: what is unsaved came
   * through other handles, which may be in the middle of it. Half of it is not to become a version.
   */
  isOthersWork(file: TreeFile): boolean {
    return file.dirty && !this.#drafts.isMapped(file);
  }

  /** Whether all that is unsaved of a file was written by processes that have nothing to do with this one. */
  isOthersDraft(handle: HandleKnowledge, file: TreeFile, pid: number): boolean {
    return (
      this.isOthersWork(file) && !this.#drafts.includes(file, pid, handle.opener === 0 ? pid : handle.opener)
    );
  }

  /**
   * To be called before a name is removed, moved away or replaced.
   * @throws PfsError CONFLICT, HASH_REQUIRED
   */
  beforeNameChange(node: Node, wish: Wish): void {
    // Kernels keep the targets of symlinks: that one is read is never heard.
    if (!node.tracked || (node.mode & FileType.mask) !== FileType.file) return;
    const { pid } = wish.actor;
    const { fileId, hash: current = null } = node;
    // A rename saves what it moves.
    this.#drafts.settle(fileId);
    const draft = this.#drafts.whose(fileId, pid);
    // Whoever has written the draft was allowed to; what it has read of it since is no version.
    const seen = draft === "own" ? current : null;
    const candidate = { fileId, current, pids: [pid], seen, isBeingWritten: draft === "others" };
    this.#judge(candidate, { node: () => node }, wish);
  }

  /** A process has made a version of a file, other than by saving its draft. */
  wrote(actor: RequestActor, { fileId, hash }: Node): void {
    if (hash === undefined) return;
    this.lastReads.settle();
    this.lastReads.wrote(actor.pid, fileId, hash);
  }

  /** A process has made a file at a path where there was none, and saved it. */
  made(path: string, node: Node, actor: RequestActor): void {
    this.cameTo(path, node.fileId);
    this.wrote(actor, node);
  }

  /** A draft may have been saved. */
  saved(file: TreeFile): void {
    this.#drafts.settle(file.fileId);
  }

  /** A handle that could write is gone. */
  released(file: TreeFile): void {
    this.#drafts.released(file);
  }

  /** A file of the book has left its path. */
  leftFrom(path: string, fileId: FileId): void {
    if (!this.lastReads.isKnown(fileId)) return;
    if (this.#left.size >= MAX_LEFT) this.#left.delete(this.#left.keys().next().value as string);
    this.#left.set(path, fileId);
  }

  /** A file has come to a path. */
  cameTo(path: string, fileId: FileId): void {
    if (this.#left.size === 0) return;
    const before = this.#left.get(path);
    if (before === undefined) return;
    this.#left.delete(path);
    if (before !== fileId) this.lastReads.inherit(before, fileId);
  }

  /** A file has taken the path of another one that was there. */
  replaced(old: FileId, by: FileId): void {
    if (old !== by) this.lastReads.inherit(old, by);
  }

  /** The file of a name is gone from there by this process's doing; who has it open holds on to what has another id now. */
  displaced({ fileId, parent, name }: Node, identities: readonly Identity[], { pid }: RequestActor): void {
    for (const { from, to } of identities) {
      if (from !== fileId) continue;
      if (this.#displaced.size >= MAX_LEFT)
        this.#displaced.delete(this.#displaced.keys().next().value as FileId);
      this.#displaced.set(to, { parent, name, pid });
    }
  }

  /**
   * What is written into a file whose path has another file by now would be lost without a word. At a commit, what was
   * written before is kept.
   * @throws PfsError CONFLICT unless nothing has taken its path, or this process did it; Deferred, at a commit
   */
  refuseDisplaced(handle: HandleKnowledge, file: TreeFile, wish: Wish | CommitWish): void {
    const place = this.#displaced.get(file.fileId);
    if (place === undefined || wish.check === "off") return;
    const { pid } = wish.actor;
    if (place.pid === pid || place.pid === handle.opener) return;
    const successor = this.#successorAt(place);
    if (successor?.tracked !== true) return;
    const { fileId, hash: current = null } = successor;
    this.lastReads.settle();
    const seen = handle.seen ?? this.lastReads.lastRead(pid, fileId) ?? null;
    // A program that only writes on into what was moved aside, such as a log, loses nothing.
    if (file.state === "scratch" && seen === null) return;
    const hashes = { seen, current };
    const explanation = stale(successor, this.#tree);
    if (!("mayDefer" in wish)) this.#refuse(explanation, hashes, wish);
    file.keepDisplaced(refusal(explanation, hashes), wish);
  }

  #successorAt({ parent, name }: Displaced): Node | undefined {
    try {
      return this.#tree.lookup(parent, name);
    } catch (error) {
      if (error instanceof PosixError) return undefined;
      throw error;
    }
  }

  /** The next change of a file is only to happen to this version, and then needs no other knowledge; undefined: no more. */
  expect(fileId: FileId, hash: BlobHash | null | undefined): void {
    if (hash === undefined) this.#expected.delete(fileId);
    else this.#expected.set(fileId, hash);
  }

  /** What {@link expect} was told and no change has used yet; null: that the file is absent. */
  expectation(fileId: FileId): BlobHash | null | undefined {
    return this.#expected.size === 0 ? undefined : this.#expected.get(fileId);
  }

  #judge(candidate: Candidate, subject: { node(): Node }, wish: Wish): void {
    const { fileId, current, pids, seen, isBeingWritten } = candidate;
    const expected = this.expectation(fileId);
    if (expected !== undefined) {
      // Kept when it is wrong: the kernel asks once more after ESTALE.
      if (expected !== current || isBeingWritten)
        this.#refuse(unexpected(subject.node(), this.#tree), { seen: expected, current }, wish);
      this.#expected.delete(fileId);
      return;
    }
    if (wish.check === "off") return;
    this.lastReads.settle();
    const demands = wish.check === "require";
    let older = seen;
    let knows = seen !== null && seen === current;
    for (const pid of pids) {
      const read = this.lastReads.lastRead(pid, fileId);
      const wrote = this.lastReads.lastWritten(pid, fileId);
      if (current !== null && (read === current || wrote === current)) knows = true;
      older ??= read ?? (demands ? (wrote ?? null) : null);
    }
    if (isBeingWritten && (demands || older !== null))
      this.#refuse(busy(subject.node(), this.#tree), { seen: older, current }, wish);
    if (knows || current === null) return;
    if (older !== null) this.#refuse(stale(subject.node(), this.#tree), { seen: older, current }, wish);
    if (demands) this.#refuse(unread(subject.node(), this.#tree), { seen: null, current }, wish);
  }

  #refuse(explanation: Explanation, hashes: KnownHashes, { actor, operation }: Wish): never {
    this.#tree.refuse(refusal(explanation, hashes), operation, actor);
  }
}

/** What who reads a file now gets. */
function versionOf({ hash, dirty }: TreeFile): BlobHash {
  return dirty || hash === null ? UNSURE : hash;
}

interface KnownHashes {
  readonly seen: BlobHash | null;
  readonly current: BlobHash | null;
}

function refusal({ code, path, message, hint }: Explanation, { current, seen }: KnownHashes): PfsError {
  const hashes = { current, seen: seen === UNSURE ? null : seen };
  return new PfsError(code, message, { path, hint, hashes });
}

interface Explanation {
  readonly code: "CONFLICT" | "HASH_REQUIRED";
  readonly path: string;
  readonly message: string;
  readonly hint: string;
}

function stale(node: Node, tree: BookTree): Explanation {
  const path = tree.pathOf(node);
  return {
    code: "CONFLICT",
    path,
    message: `${path} was changed by someone else since this program read it.`,
    hint: "Nothing was overwritten. Read the file again, put your change into what it holds now, and save.",
  };
}

function unexpected(node: Node, tree: BookTree): Explanation {
  const path = tree.pathOf(node);
  return {
    code: "CONFLICT",
    path,
    message: `${path} is not the version that user.pfs.expect named, or is being written.`,
    hint: "Nothing was overwritten. Read the file, and name its user.pfs.hash before you save.",
  };
}

function busy(node: Node, tree: BookTree): Explanation {
  const path = tree.pathOf(node);
  return {
    code: "CONFLICT",
    path,
    message: `${path} is being written by another program, which has not closed it yet.`,
    hint: "Nothing was overwritten. Once it is closed, read the file again, put your change into it, and save.",
  };
}

function unread(node: Node, tree: BookTree): Explanation {
  const path = tree.pathOf(node);
  return {
    code: "HASH_REQUIRED",
    path,
    message: `${path} was never read by this program, and this mount demands it (check=require).`,
    hint: "Read the file and then change it in the same process, or name the version that you replace: `setfattr -n user.pfs.expect -v HASH FILE`.",
  };
}
