/** INTERRUPT: somebody who waits for an answer got a signal. */
import { decodeInterrupt } from "../kernel/decode-connection.ts";
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import type { Session } from "../session.ts";

/**
 * Only an answer that is kept back can be hurried; every other request was answered before this one was read. The
 * interrupt itself is not answered: EAGAIN would make the kernel send it again.
 */
export function interrupt(session: Session, request: Request, _reply: Reply): boolean {
  session.parked.interrupt(decodeInterrupt(request));
  return false;
}
