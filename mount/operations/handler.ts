/** Owns what an operation is: a function from a kernel request to its answer. */
import type { Reply } from "../kernel/reply.ts";
import type { Request } from "../kernel/request.ts";
import type { Session } from "../session.ts";

/**
 * Fills `reply`, which has been started, and returns true; or returns false when nothing is to be sent now. What it
 * throws becomes the errno of the answer.
 */
export type Handler = (session: Session, request: Request, reply: Reply) => boolean;
