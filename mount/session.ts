/**
 * One mounted directory: owns what its kernel knows (node ids, open files, features) and answers that kernel's
 * requests through the operations. Must never touch a device: tests call `handle` with encoded requests.
 */
import type { Change, Node } from "../lib/node.ts";
import type { OpenFile } from "../lib/worktree/open-file.ts";
import type { Worktree } from "../lib/worktree/worktree.ts";
import { Errno, errnoOf, PfsError, PosixError } from "../schema/errors.ts";
import type { AgentName, FileId } from "../schema/ids.ts";
import type { ControlSource } from "./control/control-source.ts";
import { ControlTree } from "./control/control-tree.ts";
import type { Deliveries } from "./deliveries.ts";
import { handlerOf } from "./dispatch.ts";
import { HandleTable } from "./handles.ts";
import { Invalidation } from "./invalidation.ts";
import type { KernelAttributes, KernelEntry } from "./kernel/attributes.ts";
import type { KernelFeatures } from "./kernel/init.ts";
import { OPCODE, ROOT_NODEID } from "./kernel/protocol.ts";
import type { Reply } from "./kernel/reply.ts";
import type { Request } from "./kernel/request.ts";
import type { KernelLink } from "./kernel-link.ts";
import { KernelView, TTL_SECONDS } from "./kernel-view.ts";
import { NodeIds } from "./node-ids.ts";
import { releaseHandle } from "./open-files.ts";
import type { FileHandle, OpenHandle } from "./open-handle.ts";
import { ParkedAnswers } from "./parked-answers.ts";
import { RequestActor } from "./request-actor.ts";

/** Requests that are never answered, not even with an error. */
const UNANSWERED: ReadonlySet<number> = new Set([OPCODE.FORGET, OPCODE.BATCH_FORGET, OPCODE.INTERRUPT]);

export interface SessionOptions {
  readonly worktree: Worktree;
  /** Who answers for what is written through this mount (R7). */
  readonly agent: AgentName;
  readonly readOnly: boolean;
  readonly control: ControlSource;
  /** Who owns the control files: the user that mounted. */
  readonly owner: { readonly uid: number; readonly gid: number };
  /** Shared by all sessions of the thread. */
  readonly deliveries: Deliveries;
  readonly link: KernelLink;
  /** All sessions of the same worktree, this one too once it is made; it removes itself when it closes. */
  readonly siblings: Set<Session>;
  /** Told of failures that are neither refusals nor POSIX outcomes: faults of pfs or of the machine. */
  onFault(error: unknown, operation: string): void;
}

export class Session {
  readonly worktree: Worktree;
  readonly agent: AgentName;
  readonly readOnly: boolean;
  readonly control: ControlTree;
  readonly nodeIds: NodeIds;
  readonly handles = new HandleTable<OpenHandle>();
  readonly view = new KernelView();
  readonly parked: ParkedAnswers;
  /** What this kernel and pfs agreed on; undefined before INIT. */
  features: KernelFeatures | undefined;
  readonly #options: SessionOptions;
  readonly #invalidation: Invalidation;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.worktree = options.worktree;
    this.agent = options.agent;
    this.readOnly = options.readOnly;
    this.control = new ControlTree(options.control, options.owner);
    this.nodeIds = new NodeIds(options.worktree.rootId);
    this.parked = new ParkedAnswers(this, options.deliveries, options.link);
    this.#invalidation = new Invalidation(this, options.deliveries, options.link);
    options.siblings.add(this);
  }

  /** Answers one request. False: nothing is to be sent now (FORGET, or the answer is kept back). Never throws. */
  handle(request: Request, reply: Reply): boolean {
    reply.start(request);
    try {
      const handler = handlerOf(request.opcode);
      if (handler !== undefined) return handler(this, request, reply);
      reply.error(Errno.ENOSYS);
    } catch (error) {
      reply.error(errnoOf(error));
      this.#reportUnexpected(error, request.name);
    }
    return !UNANSWERED.has(request.opcode);
  }

  /** The kernel is gone: releases everything that it held. */
  close(): void {
    this.#options.siblings.delete(this);
    this.#invalidation.close();
    this.#options.deliveries.abandon(this);
    this.parked.abandon();
    for (const handle of this.handles.values()) {
      if (handle.kind === "file") releaseHandle(this, handle);
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

  /** Tells the other mounts of the same book of a change that the book itself does not tell of. */
  tellSiblings(change: Change): void {
    for (const sibling of this.#options.siblings)
      if (sibling !== this) sibling.#invalidation.tell(change, this);
  }

  actor(request: Request): RequestActor {
    return new RequestActor(this.agent, this, request);
  }

  /** @throws PosixError EROFS on a mount that only reads */
  requireWritable(): void {
    if (this.readOnly) throw new PosixError("EROFS", "This mount is read-only.");
  }

  /** The file that a request's node id means. @throws PosixError ESTALE when it means none any more */
  nodeOf(nodeid: number): Node {
    return this.worktree.get(this.nodeIds.fileIdOf(nodeid)) ?? this.#openNodeOf(nodeid);
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
  fileOf(handle: FileHandle): OpenFile {
    const wanted = this.nodeIds.fileIdOf(handle.nodeid);
    const { fileId } = handle.file;
    return fileId === wanted || fileId === handle.detachedAs ? handle.file : this.#reopen(handle, wanted);
  }

  /** Fills the kernel's view of a node. */
  attributesOf(node: Node): KernelAttributes {
    return this.view.attributesOf(node, node.fileId === this.worktree.rootId ? 1 : 0);
  }

  /** An entry for the kernel, which is not counted as a lookup yet. */
  entryOf(node: Node): KernelEntry {
    this.attributesOf(node);
    return this.view.entryAs(this.nodeIds.nodeidOf(node.fileId), TTL_SECONDS);
  }

  /** Answers with a node's entry and counts the lookup. */
  answerEntry(reply: Reply, node: Node): void {
    const entry = this.entryOf(node);
    reply.entry(entry);
    this.nodeIds.remember(entry.nodeid);
  }

  /** No node id of this kernel stands for `fileId` any more. */
  forgetFile(fileId: FileId): void {
    for (const sibling of this.#options.siblings) {
      if (sibling !== this && sibling.nodeIds.knownNodeid(fileId) !== undefined) return;
    }
    this.worktree.forget(fileId);
  }

  #reportUnexpected(error: unknown, operation: string): void {
    if (!(error instanceof PfsError || error instanceof PosixError)) this.#options.onFault(error, operation);
  }

  #reopen(handle: FileHandle, wanted: FileId): OpenFile {
    if (wanted === 0 || this.worktree.get(wanted) === undefined) {
      handle.detachedAs = handle.file.fileId;
      return handle.file;
    }
    const file = this.worktree.open(wanted);
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
