/** INTERRUPT: somebody who waits for an answer got a signal. */
import { decodeInterrupt } from "../kernel/decode-connection.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import type { Session } from "../session.ts";

/**
 * Only an answer that is kept back can be hurried, and a request that waits be given up; every other request was answered before this one was read. The
 * interrupt itself is not answered: EAGAIN would make the kernel send it again.
 */
export function interrupt(session: Session, request: Request, _reply: Reply): boolean {
  const interrupted = decodeInterrupt(request);
  if (!session.parked.interrupt(interrupted)) session.deferred.interrupt(interrupted);
  return false;
}
