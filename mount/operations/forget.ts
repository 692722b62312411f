/** FORGET, BATCH_FORGET: the kernel gives up lookups. Never answered. */
import { decodeBatchForget, decodeForget } from "../kernel/decode-names.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { isControlNodeid } from "../node-ids.ts";
import type { Session } from "../session.ts";

export function forget(session: Session, request: Request, _reply: Reply): boolean {
  forgetNode(session, request.nodeid, decodeForget(request).count);
  return false;
}

export function batchForget(session: Session, request: Request, _reply: Reply): boolean {
  decodeBatchForget(request, (nodeid, count) => forgetNode(session, nodeid, count));
  return false;
}

function forgetNode(session: Session, nodeid: number, count: number): void {
  if (isControlNodeid(nodeid)) {
    session.control.forget(nodeid, count);
    return;
  }
  const fileId = session.nodeIds.forget(nodeid, count);
  if (session.nodeIds.isKnown(nodeid)) return;
  session.settled.forget(nodeid);
  session.misplaced.forget(nodeid);
  if (fileId !== undefined) session.forgetFile(fileId);
}
