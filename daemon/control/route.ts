/** Owns what one route of the control socket is, and how it reads what it is given. Must never know HTTP's details. */
import type { z } from "zod";
import type { PeerCredentials } from "../../lib/libc-sockets.ts";
import { PfsError } from "../../schema/errors.ts";
import type { ByteAnswer } from "./byte-answer.ts";

export interface ControlRequest {
  /** What the path's `:name` segments stand for. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  /** The body as JSON; an empty object without one, and where the route takes bytes. */
  readonly body: unknown;
  /** The body as it comes, where the route takes bytes; else it is read already. */
  readonly bytes: AsyncIterable<Uint8Array>;
  /** Who asks, as the kernel says it. */
  readonly peer: PeerCredentials;
}

/** An object is answered as JSON, an iterable as one JSON object a line; a Page and bytes as they are. */
export type ControlAnswer = object | AsyncIterable<object> | ByteAnswer;

export interface Route {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Such as `/books/:book/import`. */
  readonly path: string;
  /** One line for `GET /`. */
  readonly summary: string;
  /** The body is bytes, of any number, that the route reads as they come. */
  readonly takesBytes?: true;
  /** Answered also once the daemon has begun to end. */
  readonly servesWhileStopping?: true;
  handle(request: ControlRequest): Promise<ControlAnswer> | ControlAnswer;
}

/** What the client sent, checked. @throws PfsError USAGE naming the field */
export function check<Shape extends z.ZodType>(shape: () => Shape, input: unknown): z.output<Shape> {
  const parsed = shape().safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const field = issue.path.join(".");
  throw new PfsError(
    "USAGE",
    `The request is not understood: ${field === "" ? "" : `${field}: `}${issue.message}.`,
    {
      hint: "`GET /` on this socket lists the routes.",
    },
  );
}
