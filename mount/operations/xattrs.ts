/** GETXATTR, SETXATTR, LISTXATTR, REMOVEXATTR: extended attributes. */
import { Errno, PosixError } from "../../schema/errors.ts";
import {
  decodeGetxattr,
  decodeListxattr,
  decodeRemovexattr,
  decodeSetxattr,
} from "../kernel/decode-attributes.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { isControlNodeid } from "../node-ids.ts";
import { rightsOf } from "../process-names.ts";
import type { Session } from "../session.ts";

/** Source: setxattr(2), linux/include/uapi/linux/xattr.h */
const [XATTR_CREATE, XATTR_REPLACE] = [1, 2];
/** Names with this prefix have a meaning to the kernel (ACLs) that nobody would enforce here. */
const SYSTEM = "system.";

export function getxattr(session: Session, request: Request, reply: Reply): boolean {
  const { name, size } = decodeGetxattr(request);
  if (name?.startsWith(SYSTEM)) reply.error(Errno.EOPNOTSUPP);
  else if (name === undefined || isControlNodeid(request.nodeid)) reply.error(Errno.ENODATA);
  else {
    const value = session.worktree.getXattr(session.nodeIds.fileIdOf(request.nodeid), name);
    if (value === undefined) reply.error(Errno.ENODATA);
    else answer(reply, value, size);
  }
  return true;
}

export function listxattr(session: Session, request: Request, reply: Reply): boolean {
  const { size } = decodeListxattr(request);
  const names = isControlNodeid(request.nodeid)
    ? []
    : session.worktree.listXattrs(session.nodeIds.fileIdOf(request.nodeid));
  const hidesTrusted = names.some(isTrusted) && !rightsOf(request.pid).seesTrusted;
  const seen = hidesTrusted ? names.filter((name) => !isTrusted(name)) : names;
  answer(reply, Buffer.from(seen.map((name) => `${name}\0`).join("")), size);
  return true;
}

export function setxattr(session: Session, request: Request, reply: Reply): boolean {
  const { name, value, flags } = decodeSetxattr(request, false);
  const fileId = changeable(session, request);
  const wishes = { create: (flags & XATTR_CREATE) !== 0, replace: (flags & XATTR_REPLACE) !== 0 };
  // The book may keep the value; the request's buffer is about to hold the next request.
  const kept = Uint8Array.prototype.slice.call(value);
  session.worktree.setXattr(fileId, known(name), kept, wishes, session.actor(request));
  reply.ok();
  return true;
}

export function removexattr(session: Session, request: Request, reply: Reply): boolean {
  const { name } = decodeRemovexattr(request);
  const fileId = changeable(session, request);
  session.worktree.removeXattr(fileId, known(name), session.actor(request));
  reply.ok();
  return true;
}

/** Names that only the machine's administrators see. Source: xattr(7) */
function isTrusted(name: string): boolean {
  return name.startsWith("trusted.");
}

function changeable(session: Session, request: Request) {
  session.requireWritable();
  if (isControlNodeid(request.nodeid)) throw new PosixError("EROFS", "The control files are read-only.");
  return session.nodeIds.fileIdOf(request.nodeid);
}

/** @throws PosixError EOPNOTSUPP */
function known(name: string | undefined): string {
  if (name === undefined || name.startsWith(SYSTEM)) throw new PosixError("EOPNOTSUPP");
  return name;
}

/** Answers with a value, or with its size if the caller only wanted to know that. */
function answer(reply: Reply, value: Uint8Array, size: number): void {
  if (size === 0) reply.xattrSize(value.length);
  else if (size < value.length) reply.error(Errno.ERANGE);
  else reply.bytes(value);
}
