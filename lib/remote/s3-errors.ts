/**
 * Owns what a failure of S3, or of the way to it, means: a refusal that names the remote, and whether trying again can help.
 * Must never pass on what a request was signed with.
 */
import { S3ServiceException } from "@aws-sdk/client-s3";
import { PfsError } from "../../schema/errors.ts";
import { AnswerTooLong } from "./collect-answer.ts";
import { lostConnectionCode, RemoteError } from "./remote-error.ts";

const FULL: ReadonlySet<string> = new Set(["QuotaExceeded", "XMinioStorageFull", "InsufficientStorage"]);
const FULL_STATUS = 507;
/**
 * What goes away by itself, or with the next attempt: throttling, races, bytes that were changed on their way, a wrong clock,
 * which the SDK sets by the answer.
 */
const PASSING: ReadonlySet<string> = new Set([
  "BadDigest",
  "ConditionalRequestConflict",
  "IncompleteBody",
  "InternalError",
  "OperationAborted",
  "RequestLimitExceeded",
  "RequestThrottled",
  "RequestTimeTooSkewed",
  "RequestTimeout",
  "ServiceUnavailable",
  "SlowDown",
  "Throttling",
  "ThrottlingException",
  "TooManyRequests",
  "XAmzContentSHA256Mismatch",
]);
const PASSING_STATUS: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);
/** Beyond it a signature is refused; an answer to HEAD has no room to say so. */
const MAX_SKEW_MS = 5 * 60_000;
const MAX_MESSAGE_CHARS = 300;

/** What S3 answered, when it did; `code` is S3's word for it, or one that the SDK makes of the status. */
export function s3Answer(error: unknown): { readonly code: string; readonly status: number } | undefined {
  if (!(error instanceof S3ServiceException)) return undefined;
  return { code: error.name, status: error.$metadata.httpStatusCode ?? 0 };
}

/** The error to throw for one that a request met; a mistake of ours is itself. */
export function asS3Error(error: unknown, remoteName: string): unknown {
  if (error instanceof PfsError || !(error instanceof Error)) return error;
  if (error instanceof AnswerTooLong) {
    const message = `${remoteName} gave an answer that is too long to be S3's.`;
    return new RemoteError("UNAVAILABLE", message, { isRetryable: true });
  }
  const answer = s3Answer(error);
  if (answer !== undefined) return refusedRequest(error as S3ServiceException, answer, remoteName);
  const code = lostConnectionCode(error) ?? (error.name === "TimeoutError" ? "ETIMEDOUT" : undefined);
  if (code !== undefined) return unavailable(`${remoteName} cannot be reached: ${code}.`, true, error);
  if (error.name === "CredentialsProviderError") {
    return new RemoteError("UNAVAILABLE", `There are no credentials for ${remoteName}.`, {
      hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, for whoever runs pfs.",
      isRetryable: false,
      cause: error,
    });
  }
  const { $response: response } = error as { $response?: { readonly statusCode?: number } };
  if (response !== undefined) {
    // Something on the way answered in place of S3, or the answer was damaged.
    const status = response.statusCode ?? 0;
    return unavailable(`${remoteName} gave an answer that is not S3's (status ${status}).`, true, error);
  }
  // TLS, above all.
  if (typeof (error as { code?: unknown }).code === "string")
    return unavailable(`${remoteName} cannot be reached: ${shorten(error.message)}.`, false, error);
  return error;
}

function refusedRequest(
  error: S3ServiceException,
  { code, status }: { readonly code: string; readonly status: number },
  remoteName: string,
): RemoteError {
  // The SDK's own error carries the request and the answer, signature and all.
  const cause = new Error(
    `${code}: ${error.message} (status ${status}, request ${error.$metadata.requestId})`,
  );
  if (FULL.has(code) || status === FULL_STATUS) {
    return new RemoteError("FULL", `${remoteName} is full.`, {
      hint: "Free some space in the bucket, or raise its quota.",
      isRetryable: false,
      cause,
    });
  }
  const headers = error.$response?.headers ?? {};
  const isSkewed = status === 403 && skewOf(headers.date) > MAX_SKEW_MS;
  const said = error.message === "" || error.message === "UnknownError" ? "" : `: ${shorten(error.message)}`;
  return new RemoteError("UNAVAILABLE", `${remoteName} answered ${status} ${code}${said}.`, {
    isRetryable: PASSING.has(code) || PASSING_STATUS.has(status) || isSkewed,
    retryAfterMs: retryAfterOf(headers["retry-after"]),
    hint: hintFor(code),
    cause,
  });
}

function hintFor(code: string): string | undefined {
  if (code === "NoSuchBucket") return "Make the bucket, or name another one.";
  if (code === "RequestTimeTooSkewed") return "Set this machine's clock (`timedatectl set-ntp true`).";
  if (/^Expired|RequestExpired|TokenRefreshRequired/.test(code)) return "Get new credentials.";
  if (/AccessDenied|Forbidden|InvalidAccessKeyId|SignatureDoesNotMatch|Unauthorized/.test(code))
    return "Look at the credentials, and at what they allow: reading, writing, listing and deleting in the bucket.";
  return undefined;
}

function unavailable(message: string, isRetryable: boolean, cause: Error): RemoteError {
  return new RemoteError("UNAVAILABLE", message, { isRetryable, cause });
}

/** One line without the full stop at its end. */
function shorten(message: string): string {
  return message.replaceAll(/\s+/g, " ").trim().slice(0, MAX_MESSAGE_CHARS).replace(/\.$/, "");
}

/** How far the remote's clock is from ours, milliseconds. */
function skewOf(date: string | undefined): number {
  return date === undefined ? 0 : Math.abs(Date.parse(date) - Date.now());
}

/** Milliseconds of a Retry-After header, which has seconds or a date. */
function retryAfterOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
