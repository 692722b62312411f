/** INIT, DESTROY: the first and the last exchange with a kernel. */
import { Errno } from "../../schema/errors.ts";
import { decodeInit } from "../kernel/decode-connection.ts";
import { negotiate } from "../kernel/init.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import type { Session } from "../session.ts";

export function init(session: Session, request: Request, reply: Reply): boolean {
  const outcome = negotiate(decodeInit(request));
  if (outcome.kind === "refused") {
    session.fault(new Error(outcome.reason), "INIT");
    reply.error(Errno.EPROTO);
    return true;
  }
  if (outcome.kind === "agreed") session.features = outcome.features;
  reply.init(outcome.answer);
  return true;
}

export function destroy(_session: Session, _request: Request, reply: Reply): boolean {
  reply.ok();
  return true;
}
