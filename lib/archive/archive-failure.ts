/** Owns how the failure of making an archive crosses from thread to thread. Must never lose its code. */
import { isErrorCode, PfsError } from "../../schema/errors.ts";
import type { ErrandFailure } from "../errands.ts";

/** Describes it; what has no code is EIO. */
export function describeFailure(error: unknown): ErrandFailure {
  const { code } = error as { code?: unknown };
  const hint = error instanceof PfsError ? error.hint : undefined;
  return { code: typeof code === "string" ? code : "EIO", message: (error as Error).message, hint };
}

/** The error to throw for it. */
export function failureFrom({ code, message, hint }: ErrandFailure): Error {
  return isErrorCode(code)
    ? new PfsError(code, message, { hint })
    : Object.assign(new Error(message), { code });
}
