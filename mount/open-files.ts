/**
 * Owns the opening and releasing of the book's files for one kernel: handles, and what the answer to an open promises.
 */
import type { Actor } from "../lib/node.ts";
import type { OpenFile } from "../lib/worktree/open-file.ts";
import { FOPEN } from "./kernel/protocol.ts";
import type { KernelOpen } from "./kernel/reply.ts";
import type { FileHandle } from "./open-handle.ts";
import type { RequestActor } from "./request-actor.ts";
import type { Session } from "./session.ts";

/** open(2) flags. Source: linux/include/uapi/asm-generic/fcntl.h (x86_64 and arm64 agree on these). */
export const OPEN = {
  accessMode: 3,
  readOnly: 0,
  exclusive: 0o200,
  truncate: 0o1000,
  append: 0o2000,
} as const;

const answer: KernelOpen = { fh: 0, flags: 0, backingId: 0 };

/** True if something may be written through a file that is opened with these flags. */
export function mayWrite(flags: number): boolean {
  return (flags & OPEN.accessMode) !== OPEN.readOnly || (flags & OPEN.truncate) !== 0;
}

export interface NewHandle {
  readonly nodeid: number;
  readonly file: OpenFile;
  /** open(2) flags. */
  readonly flags: number;
  readonly actor: RequestActor;
  readonly wrote: boolean;
  /** The kernel may keep the pages that it has of the node. */
  readonly fresh: boolean;
}

/** Takes an open file, already retained, into the handle table. The answer is good until the next call. */
export function addHandle(session: Session, opened: NewHandle): KernelOpen {
  const { nodeid, file, flags, actor, wrote, fresh } = opened;
  const writable = mayWrite(flags);
  answer.fh = session.handles.add({
    kind: "file",
    nodeid,
    file,
    detachedAs: undefined,
    writable,
    actor,
    wrote,
  });
  answer.flags = (fresh ? FOPEN.KEEP_CACHE : 0) | (writable ? 0 : FOPEN.NOFLUSH);
  return answer;
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
  const { file, actor } = handle;
  const saver = saverOf(handle, actor);
  // Another handle may stay open for long; what came through this one is not to wait for it.
  if (handle.writable) session.attempt("RELEASE", () => file.commit(saver, { durable: false }));
  session.attempt("RELEASE", () => file.release(actor));
}
