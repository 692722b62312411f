/** LOOKUP: a name in a directory becomes a node. */
import { Errno, PfsError } from "../../schema/errors.ts";
import { CONTROL_NODEID } from "../control/control-nodes.ts";
import { decodeName } from "../kernel/decode-names.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { CONTROL_TTL_SECONDS, TTL_SECONDS } from "../kernel-view.ts";
import { checkLength, isControlName } from "../names.ts";
import { isControlNodeid } from "../node-ids.ts";
import type { Session } from "../session.ts";

export function lookup(session: Session, request: Request, reply: Reply): boolean {
  const { name, nameBytes } = decodeName(request);
  checkLength(nameBytes);
  const parent = request.nodeid;
  if (isControlName(parent, name)) return answerControl(session, reply, CONTROL_NODEID);
  if (isControlNodeid(parent)) {
    const nodeid = name === undefined ? undefined : findControl(session, request, name);
    if (nodeid !== undefined) return answerControl(session, reply, nodeid);
    reply.error(Errno.ENOENT);
    return true;
  }
  const node = name === undefined ? undefined : session.tree.lookup(session.nodeIds.fileIdOf(parent), name);
  if (node === undefined) reply.negativeEntry(TTL_SECONDS);
  else session.settled.gaveAttributes(request.pid, session.answerEntry(reply, node));
  return true;
}

/** A name that is a question without an answer is explained among the refusals. */
function findControl(session: Session, request: Request, name: string): number | undefined {
  try {
    return session.control.lookup(request.nodeid, name);
  } catch (error) {
    if (error instanceof PfsError) {
      const path = session.control.pathOf(request.nodeid, name);
      session.refusals.record(error, path, session.actor(request));
    }
    throw error;
  }
}

function answerControl(session: Session, reply: Reply, nodeid: number): boolean {
  session.control.attributes(nodeid, session.view.attributes);
  reply.entry(session.view.entryAs(nodeid, CONTROL_TTL_SECONDS));
  session.control.remember(nodeid);
  return true;
}
