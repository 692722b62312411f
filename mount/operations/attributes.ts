/** GETATTR, SETATTR: stat(2), chmod(2), chown(2), utimensat(2), truncate(2) and ftruncate(2). */
import { type AttributeChange, FileType, type Node } from "../../lib/node.ts";
import { PosixError } from "../../schema/errors.ts";
import type { FileId } from "../../schema/ids.ts";
import { decodeGetattr, decodeSetattr, type SetattrBody } from "../kernel/decode-attributes.ts";
import { FATTR } from "../kernel/protocol.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { CONTROL_TTL_SECONDS } from "../kernel-view.ts";
import { isControlNodeid } from "../node-ids.ts";
import type { FileHandle } from "../open-handle.ts";
import { modeWithoutPrivileges } from "../privileges.ts";
import type { RequestActor } from "../request-actor.ts";
import { noKnowledge } from "../seen-check.ts";
import type { Session } from "../session.ts";

const PERMISSION_BITS = 0o7777;

export function getattr(session: Session, request: Request, reply: Reply): boolean {
  const { nodeid } = request;
  const { fh } = decodeGetattr(request);
  if (isControlNodeid(nodeid)) return getControlAttributes(session, nodeid, fh, reply);
  const handle = fh === undefined ? undefined : session.handles.get(fh);
  const node = handle?.kind === "file" ? session.fileOf(handle).node() : session.nodeOf(nodeid);
  reply.attributes(session.attributesOf(node), session.attributesTtlSeconds(nodeid));
  session.settled.gaveAttributes(request.pid, nodeid);
  return true;
}

function getControlAttributes(
  session: Session,
  nodeid: number,
  fh: number | undefined,
  reply: Reply,
): boolean {
  const { attributes } = session.view;
  const handle = fh === undefined ? undefined : session.handles.get(fh);
  if (handle?.kind === "control") session.control.attributesOf(handle.open, attributes);
  else session.control.attributes(nodeid, attributes);
  reply.attributes(attributes, CONTROL_TTL_SECONDS);
  return true;
}

export function setattr(session: Session, request: Request, reply: Reply): boolean {
  const { nodeid } = request;
  const body = decodeSetattr(request);
  if (session.readOnly && isTouch(session, request, body)) {
    reply.attributes(session.attributesOf(session.nodeOf(nodeid)), session.attributesTtlSeconds(nodeid));
    return true;
  }
  session.requireWritable();
  if (isControlNodeid(nodeid)) throw new PosixError("EROFS", "The control files are read-only.");
  const handle = body.fh === undefined ? undefined : session.fileHandle(body.fh);
  const actor = session.actor(request);
  const node = change({ session, nodeid, body, handle, actor });
  // The kernel takes these for the newest, whatever it has been told by the time that it gets them.
  const ttlSeconds = session.parked.mayWait ? 0 : session.attributesTtlSeconds(nodeid);
  reply.attributes(session.attributesOf(node), ttlSeconds);
  return session.parked.afterDelivery(request, reply, "inode");
}

/**
 * pfs's own process gives a file the mode that it has, for whoever watches a mount: once that is answered the kernel tells
 * them. Where a mount only reads nothing is changed, not even the ctime.
 */
function isTouch(session: Session, request: Request, { valid, mode }: SetattrBody): boolean {
  if (valid !== FATTR.MODE || isControlNodeid(request.nodeid)) return false;
  const isSame = ((session.nodeOf(request.nodeid).mode ^ mode) & PERMISSION_BITS) === 0;
  return isSame && session.actor(request).pid === process.pid;
}

interface Setting {
  readonly session: Session;
  readonly nodeid: number;
  readonly body: SetattrBody;
  readonly handle: FileHandle | undefined;
  readonly actor: RequestActor;
}

function change({ session, nodeid, body, handle, actor }: Setting): Node {
  const truncatesHandle = handle !== undefined && (body.valid & FATTR.SIZE) !== 0;
  if (truncatesHandle) {
    const file = session.fileOf(handle);
    session.requireSeen(handle, file, nodeid, actor);
    file.truncate(body.size, actor);
    handle.actor = actor;
    handle.wrote = true;
  }
  const asked = attributeChange(body);
  // A change of nothing is chown(path, -1, -1), or comes before a write: the kernel does not say so, but drops them.
  const drops = (body.valid & FATTR.KILL_SUIDGID) !== 0 || Object.keys(asked).length === 0;
  if (truncatesHandle) delete asked.size;
  if (drops && asked.mode === undefined) {
    const mode = modeWithoutPrivileges(currentNode(session, nodeid, handle), actor);
    if (mode !== undefined) asked.mode = mode;
  }
  if (truncatesHandle && Object.keys(asked).length === 0) return session.fileOf(handle).node();
  const node = currentNode(session, nodeid, handle);
  const { fileId } = node;
  // Who changes the mode of what was lent stays its owner.
  if (asked.mode !== undefined) Object.assign(asked, { ...session.view.borrowerOf(node), ...asked });
  if (asked.size !== undefined) return truncateByPath({ session, nodeid, actor }, fileId, asked);
  // With nothing to change, as in chown(path, -1, -1), only the ctime moves.
  return session.tree.setAttributes(fileId, asked, actor);
}

/** truncate(2), with whatever else is to change. */
function truncateByPath(
  { session, nodeid, actor }: Pick<Setting, "session" | "nodeid" | "actor">,
  fileId: FileId,
  asked: AttributeChange,
): Node {
  const isFile = (session.nodeOf(nodeid).mode & FileType.mask) === FileType.file;
  if (!isFile) return session.tree.setAttributes(fileId, asked, actor);
  const file = session.tree.open(fileId);
  try {
    // What is to stay of the bytes may have to be fetched first.
    if (asked.size !== 0 && session.deferred.mayDefer) file.prepare();
    session.requireSeen(noKnowledge(actor.pid), file, nodeid, actor);
    return session.tree.setAttributes(fileId, asked, actor);
  } finally {
    session.seen.saved(file);
    file.release(actor);
  }
}

function currentNode(session: Session, nodeid: number, handle: FileHandle | undefined): Node {
  return handle === undefined ? session.nodeOf(nodeid) : session.fileOf(handle).node();
}

function attributeChange(body: SetattrBody): {
  -readonly [Key in keyof AttributeChange]: AttributeChange[Key];
} {
  const { valid } = body;
  const asked: { -readonly [Key in keyof AttributeChange]: AttributeChange[Key] } = {};
  if (valid & FATTR.MODE) asked.mode = body.mode & PERMISSION_BITS;
  if (valid & FATTR.UID) asked.uid = body.uid;
  if (valid & FATTR.GID) asked.gid = body.gid;
  if (valid & FATTR.SIZE) asked.size = body.size;
  if (valid & FATTR.ATIME_NOW) asked.atime = "now";
  else if (valid & FATTR.ATIME)
    asked.atime = { seconds: body.atimeSeconds, nanoseconds: body.atimeNanoseconds };
  if (valid & FATTR.MTIME_NOW) asked.mtime = "now";
  else if (valid & FATTR.MTIME)
    asked.mtime = { seconds: body.mtimeSeconds, nanoseconds: body.mtimeNanoseconds };
  return asked;
}
