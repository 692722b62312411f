/** CREATE: open(2) of what did not exist. */
import { PosixError } from "../../schema/errors.ts";
import { decodeCreate } from "../kernel/decode-open-files.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import { newName } from "../names.ts";
import { addHandle, OPEN } from "../open-files.ts";
import { noKnowledge } from "../seen-check.ts";
import type { Session } from "../session.ts";

const S_IFREG = 0o100000;
const PERMISSION_BITS = 0o7777;

export function create(session: Session, request: Request, reply: Reply): boolean {
  const { name: given, nameBytes, flags, mode } = decodeCreate(request);
  session.requireHandle();
  const name = newName(session, request.nodeid, given, nameBytes);
  const parent = session.nodeIds.fileIdOf(request.nodeid);
  const actor = session.actor(request);
  const file = createOrExplain();
  const entry = session.entryOf(file.node());
  const tracked = file.state === "tracked";
  if (tracked) session.seen.created(file, session.tree.pathOf(file.node()), actor);
  const knowledge = noKnowledge(tracked ? actor.pid : 0);
  const opened = { nodeid: entry.nodeid, file, flags, actor, knowledge, wrote: true, fresh: false };
  reply.create(entry, addHandle(session, opened));
  session.nodeIds.remember(entry.nodeid);
  return true;

  function createOrExplain() {
    try {
      return session.tree.create(parent, name, S_IFREG | (mode & PERMISSION_BITS), actor);
    } catch (error) {
      // Another mount made it since this kernel looked: ESTALE makes the kernel look again and open what is there.
      const raced = error instanceof PosixError && error.code === "EEXIST" && (flags & OPEN.exclusive) === 0;
      throw raced ? new PosixError("ESTALE", "It exists by now.", { cause: error }) : error;
    }
  }
}
