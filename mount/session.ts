/**
 * One mounted directory: owns what its kernel knows (node ids, open files, features) and answers that kernel's
 * requests through the operations. Must never touch a device: tests call `handle` with encoded requests.
 */
import type { BookTree, TreeFile } from "../lib/book-tree.ts";
import type { Change, Identity, Node } from "../lib/node.ts";
import { type StrictChange, StrictRefusal } from "../lib/strict-change.ts";
import type { Refusals } from "../lib/worktree/refusals.ts";
import type { Worktree } from "../lib/worktree/worktree.ts";
import { Errno, type ErrorCode, errnoOf, PfsError, PosixError } from "../schema/errors.ts";
import type { AgentName, FileId } from "../schema/ids.ts";
import type { CheckMode, MountMode } from "../schema/mount-options.ts";
import type { ControlSource } from "./control/control-source.ts";
import { ControlTree } from "./control/control-tree.ts";
import { controlDirectory } from "./control/registry.ts";
import { DeferredRequests } from "./deferred-requests.ts";
import type { Deliveries } from "./deliveries.ts";
import { handlerOf } from "./dispatch.ts";
import type { ErrandDesk } from "./errand-desk.ts";
import { HandleTable } from "./handles.ts";
import { Invalidation } from "./invalidation.ts";
import type { KernelAttributes, KernelEntry } from "./kernel/attributes.ts";
import type { KernelFeatures } from "./kernel/init.ts";
import { OPCODE, ROOT_NODEID } from "./kernel/protocol.ts";
import type { Reply } from "./kernel/reply.ts";
import type { Request } from "./kernel/request.ts";
import type { KernelLink } from "./kernel-link.ts";
import { KernelView, type Lending, TTL_SECONDS } from "./kernel-view.ts";
import { MisplacedNodes } from "./misplaced-nodes.ts";
import { NodeIds } from "./node-ids.ts";
import { releaseHandle } from "./open-files.ts";
import type { FileHandle, OpenHandle } from "./open-handle.ts";
import { ParkedAnswers } from "./parked-answers.ts";
import { RequestActor } from "./request-actor.ts";
import type { HandleKnowledge, SeenCheck } from "./seen-check.ts";
import { SettledNodes } from "./settled-nodes.ts";

/** Requests that are never answered, not even with an error. */
const UNANSWERED: ReadonlySet<number> = new Set([OPCODE.FORGET, OPCODE.BATCH_FORGET, OPCODE.INTERRUPT]);

/** Requests by which bytes or names of the book change, and that a strict mount lets wait for the shared log. */
const STRICT: ReadonlySet<number> = new Set([
  OPCODE.FLUSH,
  OPCODE.FSYNC,
  OPCODE.RENAME,
  OPCODE.RENAME2,
  OPCODE.SETATTR,
]);

/** Refusals that whoever throws them does not tell. */
const TOLD_HERE: ReadonlySet<ErrorCode> = new Set(["CORRUPT", "TOO_MANY"]);
/** What one mount's programs may have open at once, so that none of them takes the daemon's memory from all others. */
const MAX_HANDLES = 65_536;

export interface SessionOptions extends MountMode {
  readonly tree: BookTree;
  /** Who answers for what is written through this mount (R7). */
  readonly agent: AgentName;
  readonly control: ControlSource;
  /** Who owns the control files: the user that mounted. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** On a mount for another Unix user: what of the store's owner is that user's. */
  readonly lending?: Lending | undefined;
  /** Shared by all sessions of the thread. */
  readonly deliveries: Deliveries;
  /** Shared by all sessions of the thread. */
  readonly errands: ErrandDesk;
  readonly link: KernelLink;
  /** All sessions of the same tree, this one too once it is made; it removes itself when it closes. */
  readonly siblings: Set<Session>;
  /** What is known of who has read what; of the same tree, too. */
  readonly seen: SeenCheck;
  /** Told of failures that are neither refusals nor POSIX outcomes: faults of pfs or of the machine. */
  onFault(error: unknown, operation: string): void;
}

export class Session {
  readonly tree: BookTree;
  readonly agent: AgentName;
  readonly readOnly: boolean;
  readonly check: CheckMode;
  readonly seen: SeenCheck;
  readonly control: ControlTree;
  /** Where refusals are told that no file of the book is the subject of. */
  readonly refusals: Refusals;
  /** A user's mount on which removing shows the base again. */
  readonly reverts: boolean;
  readonly nodeIds: NodeIds;
  readonly handles = new HandleTable<OpenHandle>();
  readonly settled = new SettledNodes();
  readonly misplaced = new MisplacedNodes();
  readonly view: KernelView;
  readonly parked: ParkedAnswers;
  readonly deferred: DeferredRequests;
  /** What this kernel and pfs agreed on; undefined before INIT. */
  features: KernelFeatures | undefined;
  readonly #options: SessionOptions;
  readonly #worktree: Worktree;
  readonly #invalidation: Invalidation;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#worktree = options.control.worktree;
    this.view = new KernelView(options.lending);
    this.tree = options.tree;
    this.agent = options.agent;
    this.readOnly = options.readOnly;
    this.check = options.check;
    this.seen = options.seen;
    this.control = new ControlTree(controlDirectory(options.control), options.owner);
    this.nodeIds = new NodeIds(options.tree.rootId);
    this.refusals = this.#worktree.refusals;
    this.reverts = this.#worktree.isOverlay && options.deleteMode !== "hide";
    this.parked = new ParkedAnswers(this, options.deliveries, options.link);
    this.deferred = new DeferredRequests({
      desk: options.errands,
      link: options.link,
      handle: (request, reply) => this.handle(request, reply),
    });
    this.#invalidation = new Invalidation(this, options.deliveries, options.link);
    options.siblings.add(this);
  }

  /** Answers one request. False: nothing is to be sent now (FORGET, or the answer is kept back). Never throws. */
  handle(request: Request, reply: Reply): boolean {
    reply.start(request);
    const change = this.#strictChange(request);
    try {
      if (!this.misplaced.isEmpty) {
        const telling = this.misplaced.refuse(request, (nodeid) => this.isOpen(nodeid));
        if (telling !== undefined) return this.#lookAgain(request, reply, telling);
      }
      const handler = handlerOf(request.opcode);
      if (handler !== undefined) {
        const answer = (): boolean => handler(this, request, reply);
        return change === undefined ? answer() : this.#worktree.strictly(change, answer);
      }
      reply.error(Errno.ENOSYS);
    } catch (error) {
      if (this.deferred.keep(request, error, change)) return false;
      reply.error(errnoOf(error));
      if (error instanceof StrictRefusal) this.#tellRefused(error, request);
      this.#reportUnexpected(error, request.name);
      if (error instanceof PfsError && TOLD_HERE.has(error.code))
        this.refusals.record(error, error.path ?? "", this.actor(request));
    }
    return !UNANSWERED.has(request.opcode);
  }

  /** Undefined for what is done here at once. */
  #strictChange({ opcode }: Request): StrictChange | undefined {
    if (this.#options.sync !== "strict" || this.readOnly || !STRICT.has(opcode)) return undefined;
    return this.deferred.change ?? this.#worktree.newStrictChange();
  }

  /** To be called before anything is opened. @throws PfsError TOO_MANY */
  requireHandle(): void {
    if (this.handles.count < MAX_HANDLES) return;
    throw new PfsError(
      "TOO_MANY",
      `Programs have ${MAX_HANDLES} files open on this mount, which is the most.`,
      { hint: "Close some; `fuser -vm DIR` names the programs." },
    );
  }

  /** What this kernel did made other objects of those that it knows. */
  identify(identities: readonly Identity[]): void {
    this.nodeIds.apply(identities);
    this.#invalidation.renumber(identities);
  }

  /** The kernel is gone: releases everything that it held. */
  close(): void {
    this.#options.siblings.delete(this);
    this.#invalidation.close();
    this.#options.deliveries.abandon(this);
    this.parked.abandon();
    this.deferred.abandon();
    for (const handle of this.handles.values()) {
      if (handle.kind === "file") releaseHandle(this, handle);
      else this.control.release(handle.open);
    }
    for (const fileId of this.nodeIds.clear()) this.forgetFile(fileId);
  }

  /** Does what nobody waits for the outcome of: a fault is told, a refusal is already logged by the book. */
  attempt(operation: string, action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#reportUnexpected(error, operation);
    }
  }

  /** Tells whoever keeps the mount of something that nobody's request can be blamed for. */
  fault(error: unknown, operation: string): void {
    this.#options.onFault(error, operation);
  }

  /** This kernel's pages of a node are not what the file holds: it is told, later, to drop them. */
  refreshPages(nodeid: number): void {
    this.#invalidation.refresh(nodeid);
  }

  /**
   * This kernel's pages of a node are right, but whoever reads the file from now on is to be heard doing so. Returns what an
   * answer can wait for.
   */
  dropPages(nodeid: number): object {
    const cause = {};
    this.#invalidation.drop(nodeid, cause);
    return cause;
  }

  /**
   * Before bytes of an open file are changed through a handle, or by opening it.
   * @throws PfsError CONFLICT, HASH_REQUIRED (W1)
   */
  requireSeen(
    handle: HandleKnowledge | FileHandle,
    file: TreeFile,
    nodeid: number,
    actor: RequestActor,
  ): void {
    try {
      const wish = { check: this.check, actor, operation: "update" } as const;
      if (this.seen.beforeWrite(handle, file, wish)) this.#doubtReaders(file, [actor.pid, handle.opener]);
    } catch (error) {
      // Whoever reads the file again through an open descriptor, to get over this, is to be heard doing so.
      if (!("direct" in handle && handle.direct)) this.dropPages(nodeid);
      throw error;
    }
  }

  /** Tells the other mounts of the same book of a change that the book itself does not tell of. */
  tellSiblings(change: Change): void {
    for (const sibling of this.#options.siblings)
      if (sibling !== this) sibling.#invalidation.tell(change, this);
  }

  /** `origin`: what is not told of what the actor changes; this mount's kernel knows of what it has asked for itself. */
  actor(request: Request, origin: object = this): RequestActor {
    return new RequestActor(this.agent, origin, request, {
      hidesBase: this.#options.deleteMode === "hide",
      check: this.check,
    });
  }

  /** @throws PosixError EROFS on a mount that only reads */
  requireWritable(): void {
    if (this.readOnly) throw new PosixError("EROFS", "This mount is read-only.");
  }

  /** The file that a request's node id means. @throws PosixError ESTALE when it means none any more */
  nodeOf(nodeid: number): Node {
    return this.tree.get(this.nodeIds.fileIdOf(nodeid)) ?? this.#openNodeOf(nodeid);
  }

  /** @throws PosixError EBADF */
  fileHandle(fh: number): FileHandle {
    const handle = this.handles.get(fh);
    if (handle.kind !== "file") throw new PosixError("EBADF", `${fh} is a control file.`);
    return handle;
  }

  /**
   * The open file of a handle: another one than was opened if another mount has replaced the file, as this kernel
   * keeps one set of cached pages for both.
   */
  fileOf(handle: FileHandle): TreeFile {
    const wanted = this.nodeIds.fileIdOf(handle.nodeid);
    const { fileId } = handle.file;
    return fileId === wanted || fileId === handle.detachedAs ? handle.file : this.#reopen(handle, wanted);
  }

  /** Fills the kernel's view of a node. */
  attributesOf(node: Node): KernelAttributes {
    // A directory with one link does not count its subdirectories.
    const countsControl = node.fileId === this.tree.rootId && node.nlink > 1;
    return this.view.attributesOf(node, countsControl ? 1 : 0);
  }

  /** An entry for the kernel, which is not counted as a lookup yet. */
  entryOf(node: Node): KernelEntry {
    this.attributesOf(node);
    const nodeid = this.nodeIds.nodeidOf(node.fileId);
    return this.view.entryAs(nodeid, TTL_SECONDS, this.attributesTtlSeconds(nodeid));
  }

  /** How long the kernel may believe the attributes of a file that it is given now. */
  attributesTtlSeconds(nodeid: number): number {
    return this.settled.believes(nodeid) ? TTL_SECONDS : 0;
  }

  /** Answers with a node's entry and counts the lookup. Returns its node id. */
  answerEntry(reply: Reply, node: Node): number {
    const entry = this.entryOf(node);
    reply.entry(entry);
    this.nodeIds.remember(entry.nodeid);
    return entry.nodeid;
  }

  /** No node id of this kernel stands for `fileId` any more. */
  forgetFile(fileId: FileId): void {
    for (const sibling of this.#options.siblings) {
      if (sibling !== this && sibling.nodeIds.knownNodeid(fileId) !== undefined) return;
    }
    this.tree.forget(fileId);
  }

  /** Whether a program of this mount has a file open. */
  isOpen(nodeid: number): boolean {
    for (const handle of this.handles.values())
      if (handle.kind === "file" && handle.nodeid === nodeid) return true;
    return false;
  }

  /** A draft begins: whoever has the file open, on any mount, may be reading half a version and half a draft. */
  #doubtReaders(file: TreeFile, writers: readonly number[]): void {
    if (!file.isShared) return;
    for (const { handles } of this.#options.siblings)
      for (const handle of handles.values())
        if (handle.kind === "file" && handle.file === file)
          this.seen.doubt(handle, file.fileId, handle.actor.tid, writers);
  }

  /** Once the kernel has been told that the name means another node. */
  #lookAgain(request: Request, reply: Reply, telling: object): boolean {
    reply.error(Errno.ESTALE);
    return this.parked.afterDelivery(request, reply, "all", telling);
  }

  /** In the log, too, as any refused change. */
  #tellRefused(error: StrictRefusal, request: Request): void {
    this.attempt(request.name, () => this.#worktree.refuse(error, error.operation, this.actor(request)));
  }

  #reportUnexpected(error: unknown, operation: string): void {
    if (!(error instanceof PfsError || error instanceof PosixError)) this.#options.onFault(error, operation);
  }

  #reopen(handle: FileHandle, wanted: FileId): TreeFile {
    // What was written through it and not saved is not to be lost without a word.
    if (handle.wrote || wanted === 0 || this.tree.get(wanted) === undefined) {
      handle.detachedAs = handle.file.fileId;
      return handle.file;
    }
    const file = this.tree.open(wanted);
    const old = handle.file;
    handle.file = file;
    handle.detachedAs = undefined;
    this.attempt("reopen", () => old.release(handle.actor));
    return file;
  }

  /** The node of a file that another mount has removed but that is still open here. */
  #openNodeOf(nodeid: number): Node {
    for (const handle of this.handles.values()) {
      if (handle.kind === "file" && handle.nodeid === nodeid) return this.fileOf(handle).node();
    }
    throw new PosixError("ESTALE", nodeid === ROOT_NODEID ? "The book is gone." : "The file is gone.");
  }
}
