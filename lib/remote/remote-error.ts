/**
 * Owns how a remote says that something failed: a refusal that also tells whether trying again can help. Must never know what
 * kind of remote it was.
 */
import { type ErrorCode, PfsError, type PfsErrorOptions } from "../../schema/errors.ts";

interface RemoteErrorOptions extends PfsErrorOptions {
  /** Whether the same may go well a moment later, as after a lost connection; not so: refused credentials. */
  readonly isRetryable: boolean;
  /** How long the remote asks to be left alone, milliseconds. */
  readonly retryAfterMs?: number | undefined;
}

/** The message names the remote and never holds a secret. */
export class RemoteError extends PfsError {
  readonly isRetryable: boolean;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: RemoteErrorOptions) {
    super(code, message, options);
    this.isRetryable = options.isRetryable;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/**
 * What a connection that cannot be made, or is lost, or speaks nonsense ends with: Node's system errors, those of its
 * resolver, and those of its HTTP parser (HPE_…).
 */
const LOST =
  /^(?:ECONN(?:REFUSED|RESET|ABORTED)|EPIPE|ETIMEDOUT|E(?:HOST|NET)(?:UNREACH|DOWN)|ENETRESET|EADDRNOTAVAIL|ENOTCONN|EAI_AGAIN|ENOTFOUND|EMFILE|ENFILE|EPROTO|ERR_STREAM_PREMATURE_CLOSE|ERR_SOCKET_\w+|HPE_\w+)$/;

/** The code of an error that says that a connection failed, such as ECONNRESET; undefined for any other error. */
export function lostConnectionCode(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === "string" && LOST.test(code) ? code : undefined;
}
