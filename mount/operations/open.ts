/** OPEN, RELEASE: open(2) of what exists, and the last close of it. */
import type { TreeFile } from "../../lib/book-tree.ts";
import { PosixError } from "../../schema/errors.ts";
import { decodeOpen, decodeRelease } from "../kernel/decode-open-files.ts";
import { FOPEN, OPEN_FLAG } from "../kernel/protocol.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { isControlNodeid } from "../node-ids.ts";
import { addHandle, isOpenElsewhere, mayWrite, OPEN, releaseHandle } from "../open-files.ts";
import { dropPrivileges } from "../privileges.ts";
import type { RequestActor } from "../request-actor.ts";
import { noKnowledge } from "../seen-check.ts";
import type { Session } from "../session.ts";

export function open(session: Session, request: Request, reply: Reply): boolean {
  const { nodeid } = request;
  const { flags, openFlags } = decodeOpen(request);
  session.requireHandle();
  if (isControlNodeid(nodeid)) return openControl(session, request, flags, reply);
  if (mayWrite(flags)) session.requireWritable();
  const actor = session.actor(request);
  const file = session.tree.open(session.nodeIds.fileIdOf(nodeid));
  const truncates = (flags & OPEN.truncate) !== 0;
  const writable = mayWrite(flags);
  const knowledge = noKnowledge(writable && file.state === "tracked" ? actor.pid : 0);
  try {
    if (truncates) {
      session.requireSeen(knowledge, file, nodeid, actor);
      file.truncate(0, actor);
    } else if (session.deferred.mayDefer) file.prepare();
    if (openFlags & OPEN_FLAG.KILL_SUIDGID) dropPrivileges(session, file, actor);
  } catch (error) {
    file.release(actor);
    throw error;
  }
  const stale = session.nodeIds.isStale(nodeid);
  const direct = goesPastPages(session, { nodeid, file, flags, actor });
  if (!writable) knowledge.seen = session.seen.openedForReading(actor.tid, file, direct || !stale);
  const mayKeep = !writable || truncates || knowsWhatIsCached(session, file, flags, actor);
  const fresh = !stale && mayKeep;
  // A thread that was never met may end right after its close(2): it is looked at before that returns.
  const tellsClose = knowledge.seen !== null && !session.seen.lastReads.hasMet(actor.tid);
  const opened = { nodeid, file, flags, actor, knowledge, wrote: truncates, fresh, tellsClose, direct };
  reply.open(addHandle(session, opened));
  return true;
}

interface Opening {
  readonly nodeid: number;
  readonly file: TreeFile;
  /** open(2) flags. */
  readonly flags: number;
  readonly actor: RequestActor;
}

/**
 * What a kernel shows of a file by itself may be neither the version that there is nor any other: pages into which somebody
 * writes who is then refused, new pages cut off at an old size. Where that can be, who opens the file reads what pfs answers,
 * and its READs are heard; and who might do that to others writes past the pages.
 */
function goesPastPages(session: Session, opening: Opening): boolean {
  const { nodeid, file, flags, actor } = opening;
  if (file.state !== "tracked" || session.features?.directMaps !== true) return false;
  const hasAttributes = session.settled.takeAttributes(actor.tid, nodeid);
  if (!mayWrite(flags)) return file.dirty || !hasAttributes || !session.settled.isSettled(nodeid);
  // The kernel drops all pages then; who reads the file is in doubt from now on, as there is a draft.
  if ((flags & OPEN.truncate) !== 0) return false;
  if ((flags & OPEN.accessMode) === OPEN.readWrite) return true;
  return isOpenElsewhere(session, file, nodeid, actor.tid) || isAskingForRefusal(session, file, actor);
}

/**
 * Opening for reading and writing is not reading. Whoever does not know the current version must be heard when it reads
 * it, so that its kernel is not to answer from its cache.
 */
function knowsWhatIsCached(session: Session, file: TreeFile, flags: number, { pid }: RequestActor): boolean {
  if ((flags & OPEN.accessMode) !== OPEN.readWrite || file.state !== "tracked") return true;
  return session.seen.knowsCurrent(pid, file);
}

/**
 * The kernel puts what is written into its pages before it asks, where others may read it although it is refused. Whoever
 * would be refused, as things are, writes past them.
 */
function isAskingForRefusal(session: Session, file: TreeFile, { pid }: RequestActor): boolean {
  return session.seen.wouldRefuse(session.check, pid, file);
}

function openControl(session: Session, request: Request, flags: number, reply: Reply): boolean {
  if (mayWrite(flags)) throw new PosixError("EROFS", "The control files are read-only.");
  const { mayDefer } = session.deferred;
  const opened = session.control.open(request.nodeid, { actor: session.actor(request), mayDefer });
  const fh = session.handles.add({ kind: "control", open: opened });
  reply.open({ fh, flags: FOPEN.NOFLUSH | (opened.direct ? FOPEN.DIRECT_IO : 0) });
  return true;
}

export function release(session: Session, request: Request, reply: Reply): boolean {
  const handle = session.handles.remove(decodeRelease(request).fh);
  if (handle?.kind === "control") session.control.release(handle.open);
  else if (handle !== undefined) {
    session.fileOf(handle);
    releaseHandle(session, handle);
  }
  reply.ok();
  return true;
}
