/** GETXATTR, SETXATTR, LISTXATTR, REMOVEXATTR: extended attributes. */

import { Errno, PosixError } from "../../schema/errors.ts";
import { type BlobHash, type FileId, isBlobHash } from "../../schema/ids.ts";
import { splitXattrName, xattrNameBytes } from "../../schema/xattr-name.ts";
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
/** Ends each name of a list. */
const END = Buffer.from([0]);

export function getxattr(session: Session, request: Request, reply: Reply): boolean {
  const { name, size } = decodeGetxattr(request);
  if (name.startsWith(SYSTEM)) reply.error(Errno.EOPNOTSUPP);
  else if (isControlNodeid(request.nodeid)) reply.error(Errno.ENODATA);
  else {
    const fileId = session.nodeIds.fileIdOf(request.nodeid);
    const value = name === EXPECT ? expectation(session, fileId) : session.tree.getXattr(fileId, name);
    if (value === undefined) reply.error(Errno.ENODATA);
    else answer(reply, value, size);
  }
  return true;
}

export function listxattr(session: Session, request: Request, reply: Reply): boolean {
  const { size } = decodeListxattr(request);
  const names = isControlNodeid(request.nodeid)
    ? []
    : session.tree.listXattrs(session.nodeIds.fileIdOf(request.nodeid));
  const hidesTrusted = names.some(isTrusted) && !rightsOf(request.pid).seesTrusted;
  const seen = hidesTrusted ? names.filter((name) => !isTrusted(name)) : names;
  answer(reply, Buffer.concat(seen.flatMap((name) => [xattrNameBytes(name), END])), size);
  return true;
}

export function setxattr(session: Session, request: Request, reply: Reply): boolean {
  const { name, value, flags } = decodeSetxattr(request, false);
  const fileId = changeable(session, request);
  const wishes = { create: (flags & XATTR_CREATE) !== 0, replace: (flags & XATTR_REPLACE) !== 0 };
  // The book may keep the value; the request's buffer is about to hold the next request.
  const kept = Uint8Array.prototype.slice.call(value);
  if (name === EXPECT) {
    session.seen.expect(trackedId(session, request.nodeid), parseExpectation(value));
    reply.ok();
    return true;
  }
  session.tree.setXattr(fileId, known(name), kept, wishes, session.actor(request));
  reply.ok();
  return true;
}

export function removexattr(session: Session, request: Request, reply: Reply): boolean {
  const { name } = decodeRemovexattr(request);
  const fileId = changeable(session, request);
  if (name === EXPECT) {
    if (session.seen.expectation(fileId) === undefined) throw new PosixError("ENODATA");
    session.seen.expect(fileId, undefined);
    reply.ok();
    return true;
  }
  session.tree.removeXattr(fileId, known(name), session.actor(request));
  reply.ok();
  return true;
}

/** The version that a file must have for its next change. */
const EXPECT = "user.pfs.expect";
const ABSENT = "absent";

function expectation(session: Session, fileId: FileId): Uint8Array | undefined {
  const expected = session.seen.expectation(fileId);
  return expected === undefined ? undefined : Buffer.from(expected ?? ABSENT);
}

/** @throws PosixError EOPNOTSUPP for what is no file of the book */
function trackedId(session: Session, nodeid: number): FileId {
  const { tracked, fileId } = session.nodeOf(nodeid);
  if (!tracked) throw new PosixError("EOPNOTSUPP", "Only files of the book have versions.");
  return fileId;
}

/** @throws PosixError EINVAL */
function parseExpectation(value: Uint8Array): BlobHash | null {
  const text = Buffer.from(value).toString("latin1");
  if (text === ABSENT) return null;
  if (!isBlobHash(text)) throw new PosixError("EINVAL", `${EXPECT} takes a hash of 64 digits, or ${ABSENT}.`);
  return text;
}

/** Names that only the machine's administrators see. Source: xattr(7) */
function isTrusted(name: string): boolean {
  return splitXattrName(name)?.[0] === "trusted";
}

function changeable(session: Session, request: Request) {
  session.requireWritable();
  if (isControlNodeid(request.nodeid)) throw new PosixError("EROFS", "The control files are read-only.");
  return session.nodeIds.fileIdOf(request.nodeid);
}

/** @throws PosixError EOPNOTSUPP */
function known(name: string): string {
  if (name.startsWith(SYSTEM)) throw new PosixError("EOPNOTSUPP");
  return name;
}

/** Answers with a value, or with its size if the caller only wanted to know that. */
function answer(reply: Reply, value: Uint8Array, size: number): void {
  if (size === 0) reply.xattrSize(value.length);
  else if (size < value.length) reply.error(Errno.ERANGE);
  else reply.bytes(value);
}
