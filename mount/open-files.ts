/**
 * Owns the opening and releasing of the book's files for one kernel: handles, and what the answer to an open promises.
 */

import type { TreeFile } from "../lib/book-tree.ts";
import type { Actor } from "../lib/node.ts";
import { FOPEN } from "./kernel/protocol.ts";
import type { KernelOpen } from "./kernel/reply.ts";
import type { FileHandle } from "./open-handle.ts";
import type { RequestActor } from "./request-actor.ts";
import type { HandleKnowledge } from "./seen-check.ts";
import type { Session } from "./session.ts";

/** open(2) flags. Source: linux/include/uapi/asm-generic/fcntl.h (x86_64 and arm64 agree on these). */
export const OPEN = {
  accessMode: 3,
  readOnly: 0,
  readWrite: 2,
  exclusive: 0o200,
  truncate: 0o1000,
  append: 0o2000,
} as const;

const answer: KernelOpen = { fh: 0, flags: 0 };

/** True if something may be written through a file that is opened with these flags. */
export function mayWrite(flags: number): boolean {
  return (flags & OPEN.accessMode) !== OPEN.readOnly || (flags & OPEN.truncate) !== 0;
}

export interface NewHandle {
  readonly nodeid: number;
  readonly file: TreeFile;
  /** open(2) flags. */
  readonly flags: number;
  readonly actor: RequestActor;
  readonly knowledge: HandleKnowledge;
  readonly wrote: boolean;
  /** The kernel may keep the pages that it has of the node. */
  readonly fresh: boolean;
  /** The kernel is to tell of each close(2) before it returns, although there will be nothing to save. */
  readonly tellsClose?: boolean;
  /** Reads and writes are to go past the kernel's pages. */
  readonly direct?: boolean;
}

/** Takes an open file, already retained, into the handle table. The answer is good until the next call. */
export function addHandle(session: Session, opened: NewHandle): KernelOpen {
  const { nodeid, file, flags, actor, knowledge, wrote, fresh, tellsClose = false, direct = false } = opened;
  const writable = mayWrite(flags);
  const handle: FileHandle = {
    kind: "file",
    nodeid,
    file,
    detachedAs: undefined,
    writable,
    direct,
    opened: file.hash,
    openedMs: performance.now(),
    actor,
    wrote,
    opener: knowledge.opener,
    seen: knowledge.seen,
    clearedThread: knowledge.clearedThread,
    clearedFile: knowledge.clearedFile,
    clearedHash: knowledge.clearedHash,
  };
  answer.fh = session.handles.add(handle);
  if (writable) session.settled.writerCame(nodeid, handle);
  answer.flags =
    (fresh ? FOPEN.KEEP_CACHE : 0) |
    (writable || tellsClose ? 0 : FOPEN.NOFLUSH) |
    (direct ? FOPEN.DIRECT_IO : 0);
  return answer;
}

/** Whether another thread has the same file open on this mount. */
export function isOpenElsewhere(session: Session, file: TreeFile, nodeid: number, tid: number): boolean {
  if (!file.isShared) return false;
  for (const other of session.handles.values()) {
    if (other.kind === "file" && other.nodeid === nodeid && other.actor.tid !== tid) return true;
  }
  return false;
}

/**
 * Who answers for what a commit through `handle` saves (R7): `closer`, unless all that is unsaved came through other
 * handles of the file, perhaps of another agent's mount.
 */
export function saverOf(handle: FileHandle, closer: RequestActor): Actor {
  const { dirty, lastWriter } = handle.file;
  return dirty && !handle.wrote && lastWriter !== undefined ? lastWriter : closer;
}

/** The last that is heard of a handle. What was written late through mmap is saved, with nobody left to be told. */
export function releaseHandle(session: Session, handle: FileHandle): void {
  const { file, actor, nodeid } = handle;
  const saver = saverOf(handle, actor);
  // Another handle may stay open for long; what came through this one is not to wait for it.
  const hasWork = handle.wrote || !session.seen.isOthersWork(file);
  if (handle.writable && hasWork) session.attempt("RELEASE", () => file.commit(saver, { durable: false }));
  session.attempt("RELEASE", () => file.release(actor));
  if (!handle.writable) return;
  session.settled.writerWent(nodeid, handle);
  session.seen.released(file);
}
