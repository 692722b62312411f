/** MKDIR, RMDIR, MKNOD: directories, fifos and sockets. */
import { decodeMkdir, decodeMknod, decodeName } from "../kernel/decode-names.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { newName, oldName } from "../names.ts";
import { isControlNodeid } from "../node-ids.ts";
import type { Session } from "../session.ts";
import { removeControl } from "./remove-control.ts";

const PERMISSION_BITS = 0o7777;

export function mkdir(session: Session, request: Request, reply: Reply): boolean {
  const { name: given, nameBytes, mode } = decodeMkdir(request);
  const name = newName(session, request.nodeid, given, nameBytes);
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  const actor = session.actor(request);
  session.answerEntry(reply, session.tree.makeDirectory(parent, name, mode & PERMISSION_BITS, actor));
  return true;
}

export function rmdir(session: Session, request: Request, reply: Reply): boolean {
  const { name: given, nameBytes } = decodeName(request);
  if (isControlNodeid(request.nodeid)) return removeControl({ session, request, reply }, given, "directory");
  const name = oldName(session, request.nodeid, given, nameBytes);
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  session.identify(session.tree.removeDirectory(parent, name, session.actor(request)));
  reply.ok();
  return true;
}

/** mknod(2), and open(2) with O_CREAT where the kernel makes and opens in two steps. Devices are refused by the book. */
export function mknod(session: Session, request: Request, reply: Reply): boolean {
  const { name: given, nameBytes, mode } = decodeMknod(request);
  const name = newName(session, request.nodeid, given, nameBytes);
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  const actor = session.actor(request);
  const node = session.tree.makeNode(parent, name, mode, actor);
  if (node.tracked) session.seen.made(session.tree.pathOf(node), node, actor);
  session.answerEntry(reply, node);
  return true;
}
