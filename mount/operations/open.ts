/** OPEN, RELEASE: open(2) of what exists, and the last close of it. */
import { PosixError } from "../../schema/errors.ts";
import { decodeOpen, decodeRelease } from "../kernel/decode-open-files.ts";
import { FOPEN, OPEN_FLAG } from "../kernel/protocol.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { isControlNodeid } from "../node-ids.ts";
import { addHandle, mayWrite, OPEN, releaseHandle } from "../open-files.ts";
import { dropPrivileges } from "../privileges.ts";
import type { Session } from "../session.ts";

export function open(session: Session, request: Request, reply: Reply): boolean {
  const { nodeid } = request;
  const { flags, openFlags } = decodeOpen(request);
  if (isControlNodeid(nodeid)) return openControl(session, nodeid, flags, reply);
  if (mayWrite(flags)) session.requireWritable();
  const actor = session.actor(request);
  const file = session.worktree.open(session.nodeIds.fileIdOf(nodeid));
  const truncates = (flags & OPEN.truncate) !== 0;
  try {
    if (truncates) file.truncate(0, actor);
    if (openFlags & OPEN_FLAG.KILL_SUIDGID) dropPrivileges(session, file, actor);
  } catch (error) {
    file.release(actor);
    throw error;
  }
  const fresh = session.nodeIds.takeFreshness(nodeid);
  reply.open(addHandle(session, { nodeid, file, flags, actor, wrote: truncates, fresh }));
  return true;
}

function openControl(session: Session, nodeid: number, flags: number, reply: Reply): boolean {
  if (mayWrite(flags)) throw new PosixError("EROFS", "The control files are read-only.");
  const { snapshot, mixed } = session.control.open(nodeid);
  const fh = session.handles.add({ kind: "control", snapshot });
  reply.open({ fh, flags: FOPEN.NOFLUSH | (mixed ? FOPEN.DIRECT_IO : 0), backingId: 0 });
  return true;
}

export function release(session: Session, request: Request, reply: Reply): boolean {
  const handle = session.handles.remove(decodeRelease(request).fh);
  if (handle?.kind === "control") session.control.release(handle.snapshot);
  else if (handle !== undefined) {
    session.fileOf(handle);
    releaseHandle(session, handle);
  }
  reply.ok();
  return true;
}
