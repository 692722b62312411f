/** RENAME, RENAME2: rename(2), with RENAME_NOREPLACE and RENAME_EXCHANGE. Over a tracked path it is a commit. */
import { PosixError } from "../../schema/errors.ts";
import { decodeRename } from "../kernel/decode-names.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { newName, oldName } from "../names.ts";
import type { Session } from "../session.ts";

/** Source: linux/include/uapi/linux/fs.h */
const [RENAME_NOREPLACE, RENAME_EXCHANGE] = [1, 2];

export function rename(session: Session, request: Request, reply: Reply): boolean {
  const { name, nameBytes, newParent, newName: target, newNameBytes, flags } = decodeRename(request);
  // RENAME_WHITEOUT, and what later kernels may invent, would need nodes that a book cannot hold.
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE)) !== 0) throw new PosixError("EINVAL");
  const from = {
    name: oldName(session, request.nodeid, name, nameBytes),
    parent: session.nodeIds.fileIdOf(request.nodeid),
  };
  const to = {
    name: newName(session, newParent, target, newNameBytes),
    parent: session.nodeIds.fileIdOf(newParent),
  };
  const wishes = { noReplace: (flags & RENAME_NOREPLACE) !== 0, exchange: (flags & RENAME_EXCHANGE) !== 0 };
  session.nodeIds.apply(session.worktree.rename(from, to, wishes, session.actor(request)));
  reply.ok();
  // Both directories are locked in this kernel: it must not wait for names.
  return session.parked.afterDelivery(request, reply, "inode");
}
