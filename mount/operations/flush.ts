/**
 * FLUSH, FSYNC, FSYNCDIR, SYNCFS: the points at which a draft is committed: close(2), fsync(2), fdatasync(2). What a
 * commit is refused with is what the caller gets.
 */
import type { TreeFile } from "../../lib/book-tree.ts";
import { Deferred } from "../../lib/errands.ts";
import type { Actor } from "../../lib/node.ts";
import { decodeFlush, decodeFsync } from "../kernel/decode-open-files.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { isOpenElsewhere, saverOf } from "../open-files.ts";
import type { FileHandle } from "../open-handle.ts";
import { hasOpen } from "../process-descriptors.ts";
import type { RequestActor } from "../request-actor.ts";
import type { Session } from "../session.ts";

/** Comes at every close of every duplicate of a descriptor that could write. */
export function flush(session: Session, request: Request, reply: Reply): boolean {
  return commit({ session, request, reply, fh: decodeFlush(request).fh, durable: false });
}

export function fsync(session: Session, request: Request, reply: Reply): boolean {
  return commit({ session, request, reply, fh: decodeFsync(request).fh, durable: true });
}

/** fsync(2) of a directory: what was made, removed and renamed in it is durable. */
export function fsyncdir(session: Session, _request: Request, reply: Reply): boolean {
  if (!session.readOnly) session.tree.sync();
  reply.ok();
  return true;
}

/** syncfs(2). */
export function syncfs(session: Session, _request: Request, reply: Reply): boolean {
  if (!session.readOnly) session.tree.sync();
  reply.ok();
  return true;
}

interface Commit {
  readonly session: Session;
  readonly request: Request;
  readonly reply: Reply;
  readonly fh: number;
  readonly durable: boolean;
}

function commit({ session, request, reply, fh, durable }: Commit): boolean {
  let dropped: object | undefined;
  const handle = session.handles.get(fh);
  if (handle.kind === "file" && !handle.writable && !durable) {
    session.seen.lastReads.meetThread(handle.actor.tid);
    reply.ok();
    return true;
  }
  if (handle.kind === "file" && !session.readOnly && (handle.writable || durable)) {
    const file = session.fileOf(handle);
    const actor = committerOf(session, handle, request);
    if (!durable && isRedirection(file, request)) {
      actor.capture();
      handle.actor = actor;
      reply.ok();
      return true;
    }
    if (handle.wrote && file.state !== "tracked") refuseDisplaced(session, handle, actor);
    const hasNoWork = durable
      ? session.seen.isOthersDraft(handle, file, actor.pid)
      : session.seen.isOthersWork(file);
    if (!handle.wrote && hasNoWork) {
      if (durable) session.tree.sync();
      reply.ok();
      return true;
    }
    const outcome = save(session, handle, saverOf(handle, actor), durable);
    if (outcome === "committed" && isOpenElsewhere(session, file, handle.nodeid, handle.actor.tid))
      dropped = session.dropPages(handle.nodeid);
    // The book tells of commits; scratch has none.
    if (outcome === "unchanged" && handle.wrote)
      session.tellSiblings({ type: "content", fileId: file.fileId });
    handle.wrote = false;
    handle.actor = actor;
    // What is written through mmap after this is saved when the process may be gone: note its name while it is here.
    if (outcome === "unchanged" && handle.writable) actor.capture();
  }
  reply.ok();
  return session.parked.afterDelivery(request, reply, "all", dropped);
}

/** What was written before another file took its path would be lost. @throws PfsError CONFLICT, once; Deferred */
function refuseDisplaced({ seen, check, deferred }: Session, handle: FileHandle, actor: RequestActor): void {
  const { mayDefer } = deferred;
  try {
    seen.refuseDisplaced(handle, handle.file, { check, actor, operation: "update", mayDefer });
  } catch (error) {
    handle.wrote = error instanceof Deferred;
    throw error;
  }
}

/** Commits; whoever wrote knows the new version. */
function save(
  session: Session,
  handle: FileHandle,
  saver: Actor,
  durable: boolean,
): "committed" | "unchanged" {
  const { file } = handle;
  try {
    return file.commit(saver, { durable, mayDefer: session.deferred.mayDefer });
  } finally {
    session.seen.saved(file);
  }
}

/**
 * `echo x > lesson`: the shell truncates, duplicates the descriptor to 1, closes the first one, and only then writes. That
 * close is not the end of anything: committed, it would be a version without a byte. The last close (RELEASE) commits
 * what no later FLUSH does. Only an empty draft is worth the look at the process (some 50 µs).
 */
function isRedirection(file: TreeFile, request: Request): boolean {
  return file.dirty && file.size === 0 && hasOpen(request.pid, file.fileId);
}

/**
 * Who is behind a commit: who wrote, if that process is still there, else who closes. A fresh look at the process, as a
 * shell that opened a file has become another program since.
 */
function committerOf(session: Session, handle: FileHandle, request: Request): RequestActor {
  const writer = handle.actor;
  const another = handle.wrote && writer.tid !== request.pid;
  return another && writer.command() !== "" ? writer : session.actor(request);
}
