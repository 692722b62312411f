/** UNLINK and RMDIR in `.pfs/`: some control directories let their names be removed. */
import { PosixError } from "../../schema/errors.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import type { Session } from "../session.ts";

interface Asked {
  readonly session: Session;
  readonly request: Request;
  readonly reply: Reply;
}

/** @throws PosixError EROFS on a mount that only reads; as ControlTree.remove */
export function removeControl(
  { session, request, reply }: Asked,
  name: string | undefined,
  kind: "file" | "directory",
): boolean {
  session.requireWritable();
  if (name === undefined) throw new PosixError("ENOENT");
  // What it changes in the book is news to this kernel, too: it was asked for something in `.pfs/`.
  const cause = {};
  session.control.remove(request.nodeid, name, kind, session.actor(request, cause));
  reply.ok();
  // This kernel holds the lock of a control directory, which no notification waits for.
  return session.parked.afterDelivery(request, reply, "all", cause);
}
