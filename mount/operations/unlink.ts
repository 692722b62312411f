/** UNLINK: a name goes; open handles of the file go on. */
import { decodeName } from "../kernel/decode-names.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { oldName } from "../names.ts";
import { isControlNodeid } from "../node-ids.ts";
import type { Session } from "../session.ts";
import { removeControl } from "./remove-control.ts";

export function unlink(session: Session, request: Request, reply: Reply): boolean {
  const { name: given, nameBytes } = decodeName(request);
  if (isControlNodeid(request.nodeid)) return removeControl({ session, request, reply }, given, "file");
  const name = oldName(session, request.nodeid, given, nameBytes);
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  const actor = session.actor(request);
  const node = session.tree.lookup(parent, name);
  if (node?.tracked === true) {
    const path = session.tree.pathOf(node);
    session.seen.beforeNameChange(node, { check: session.check, actor, operation: "delete" });
    session.seen.leftFrom(path, node.fileId);
  }
  const identities = session.tree.unlink(parent, name, actor);
  if (node?.tracked === true) session.seen.displaced(node, identities, actor);
  session.identify(identities);
  reply.ok();
  return session.parked.afterDelivery(request, reply, "inode");
}
