/** LINK: link(2), which the book allows between scratch names only. */
import { PosixError } from "../../schema/errors.ts";
import { decodeLink } from "../kernel/decode-names.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { newName } from "../names.ts";
import { isControlNodeid } from "../node-ids.ts";
import type { Session } from "../session.ts";

export function link(session: Session, request: Request, reply: Reply): boolean {
  const { nodeid, name: given, nameBytes } = decodeLink(request);
  const name = newName(session, request.nodeid, given, nameBytes);
  if (isControlNodeid(nodeid)) throw new PosixError("EPERM", "A control file has one name.");
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  const fileId = session.nodeIds.fileIdOf(nodeid);
  session.answerEntry(reply, session.tree.link(fileId, parent, name, session.actor(request)));
  return true;
}
