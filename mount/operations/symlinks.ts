/** SYMLINK, READLINK. */
import { decodeSymlink } from "../kernel/decode-names.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { newName } from "../names.ts";
import { isControlNodeid } from "../node-ids.ts";
import type { Session } from "../session.ts";

export function symlink(session: Session, request: Request, reply: Reply): boolean {
  const { name: given, nameBytes, target } = decodeSymlink(request);
  const name = newName(session, request.nodeid, given, nameBytes);
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  // The book may keep the target; the request's buffer is about to hold the next request.
  const kept = Uint8Array.prototype.slice.call(target);
  session.answerEntry(reply, session.tree.makeSymlink(parent, name, kept, session.actor(request)));
  return true;
}

export function readlink(session: Session, request: Request, reply: Reply): boolean {
  const { mayDefer } = session.deferred;
  if (isControlNodeid(request.nodeid)) reply.bytes(session.control.target(request.nodeid, mayDefer));
  else reply.bytes(session.tree.readSymlink(session.nodeIds.fileIdOf(request.nodeid), mayDefer));
  return true;
}
