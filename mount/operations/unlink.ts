/** UNLINK: a name goes; open handles of the file go on. */
import { decodeName } from "../kernel/decode-names.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { oldName } from "../names.ts";
import type { Session } from "../session.ts";

export function unlink(session: Session, request: Request, reply: Reply): boolean {
  const { name: given, nameBytes } = decodeName(request);
  const name = oldName(session, request.nodeid, given, nameBytes);
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  session.nodeIds.apply(session.worktree.unlink(parent, name, session.actor(request)));
  reply.ok();
  return session.parked.afterDelivery(request, reply, "inode");
}
