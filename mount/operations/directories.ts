/** MKDIR, RMDIR, MKNOD: directories, fifos and sockets. */
import { decodeMkdir, decodeMknod, decodeName } from "../kernel/decode-names.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { newName, oldName } from "../names.ts";
import type { Session } from "../session.ts";

const PERMISSION_BITS = 0o7777;

export function mkdir(session: Session, request: Request, reply: Reply): boolean {
  const { name: given, nameBytes, mode } = decodeMkdir(request);
  const name = newName(session, request.nodeid, given, nameBytes);
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  const actor = session.actor(request);
  session.answerEntry(reply, session.worktree.makeDirectory(parent, name, mode & PERMISSION_BITS, actor));
  return true;
}

export function rmdir(session: Session, request: Request, reply: Reply): boolean {
  const { name: given, nameBytes } = decodeName(request);
  const name = oldName(session, request.nodeid, given, nameBytes);
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  session.nodeIds.apply(session.worktree.removeDirectory(parent, name, session.actor(request)));
  reply.ok();
  return true;
}

/** mknod(2), and open(2) with O_CREAT where the kernel makes and opens in two steps. Devices are refused by the book. */
export function mknod(session: Session, request: Request, reply: Reply): boolean {
  const { name: given, nameBytes, mode } = decodeMknod(request);
  const name = newName(session, request.nodeid, given, nameBytes);
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  session.answerEntry(reply, session.worktree.makeNode(parent, name, mode, session.actor(request)));
  return true;
}
