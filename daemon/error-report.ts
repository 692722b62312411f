/**
 * Owns how a failure crosses from thread to thread and from daemon to command: a plain object with what its reader needs.
 * Must never let a stack trace reach a person.
 */
import { tellsCorruption } from "../lib/sqlite-errors.ts";
import { type ConflictingHashes, isErrorCode, PfsError, PosixError } from "../schema/errors.ts";

export interface ErrorReport {
  /** One of pfs's codes, a POSIX name such as ENOENT, or FAILED for what nobody foresaw. */
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  readonly path?: string | undefined;
  readonly hashes?: ConflictingHashes | undefined;
}

/** Code of a failure that is neither a refusal nor a POSIX outcome. */
export const UNFORESEEN = "FAILED";

/** What SQLite says where somebody has changed the schema. */
const LACKS = /^no such (table|column): /;

/** Describes anything thrown. */
export function reportOf(error: unknown): ErrorReport {
  if (error instanceof PfsError) {
    const { code, message, hint, path, hashes } = error;
    return { code, message, hint, path, hashes };
  }
  if (error instanceof RemoteError) return error.report;
  if (error instanceof PosixError) return { code: error.code, message: error.message, path: error.path };
  const code = (error as { code?: unknown } | null)?.code;
  const message = error instanceof Error ? error.message : String(error);
  // Opening a database looks at its first page only.
  if (tellsCorruption(error) || (code === "SQLITE_ERROR" && LACKS.test(message))) {
    const hint = "`pfs verify` says what is damaged, and `pfs repair` mends what can be mended.";
    return { code: "STORE_DAMAGED", message: `The store's database is damaged: ${message}.`, hint };
  }
  return { code: typeof code === "string" ? code : UNFORESEEN, message };
}

/** A failure that another thread or process has met, with a code that is none of pfs's. */
export class RemoteError extends Error {
  readonly report: ErrorReport;

  constructor(report: ErrorReport) {
    super(report.message);
    this.name = "RemoteError";
    this.report = report;
  }
}

/** The error to throw for what another thread or process has reported. */
export function errorFrom(report: ErrorReport): Error {
  const { code, message, hint, path, hashes } = report;
  return isErrorCode(code) ? new PfsError(code, message, { hint, path, hashes }) : new RemoteError(report);
}
