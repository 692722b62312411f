/** LOOKUP: a name in a directory becomes a node. */
import { Errno } from "../../schema/errors.ts";
import { CONTROL_NODEID } from "../control/control-tree.ts";
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
    const nodeid = parent === CONTROL_NODEID && name !== undefined ? session.control.lookup(name) : undefined;
    if (nodeid !== undefined) return answerControl(session, reply, nodeid);
    reply.error(Errno.ENOENT);
    return true;
  }
  const node =
    name === undefined ? undefined : session.worktree.lookup(session.nodeIds.fileIdOf(parent), name);
  if (node === undefined) reply.negativeEntry(TTL_SECONDS);
  else session.answerEntry(reply, node);
  return true;
}

/** Control nodes live as long as the mount: their lookups need no counting. */
function answerControl(session: Session, reply: Reply, nodeid: number): boolean {
  session.control.attributes(nodeid, session.view.attributes);
  reply.entry(session.view.entryAs(nodeid, CONTROL_TTL_SECONDS));
  return true;
}
