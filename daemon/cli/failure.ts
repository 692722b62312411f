/**
 * How a command fails: one sentence on what went wrong and where, one on what to do, an exit code. Owns the codes: 2 when
 * the command line is not understood, 1 otherwise.
 */
import { CommanderError } from "commander";
import type { ConflictingHashes } from "../../schema/errors.ts";
import { reportOf, UNFORESEEN } from "../error-report.ts";
import { printable } from "./text.ts";

const USAGE_EXIT = 2;
const FAILURE_EXIT = 1;

/** A failure that has been explained already, by what was printed. */
export class Told extends Error {
  readonly exitCode: number;

  constructor(exitCode = FAILURE_EXIT) {
    super("told");
    this.exitCode = exitCode;
  }
}

/** A failure of a command that says something else with exit code 1. */
export class Trouble extends Error {
  constructor(cause: unknown) {
    super("trouble", { cause });
  }
}

/** Tells the failure on standard error and ends the process. */
export function failWith(error: unknown, { json }: { readonly json: boolean }): never {
  if (error instanceof Told) process.exit(error.exitCode);
  if (error instanceof Trouble) failWithCode(error.cause, { json, exitCode: USAGE_EXIT });
  // Commander has printed what it has to say, on the right stream; its code 0 is --help and --version.
  if (error instanceof CommanderError) {
    if (json && error.exitCode !== 0) {
      const message = error.message.replace(/^error: /, "");
      tell(json, { code: "USAGE", message, hint: "`pfs --help` lists what there is." });
    }
    process.exit(error.exitCode === 0 ? 0 : USAGE_EXIT);
  }
  failWithCode(error, { json, exitCode: FAILURE_EXIT });
}

function failWithCode(
  error: unknown,
  { json, exitCode }: { readonly json: boolean; readonly exitCode: number },
): never {
  const { code, message, hint, hashes }: Explanation = isHomeless(error) ? HOMELESS : reportOf(error);
  tell(json, { code, message, hint, hashes });
  if (code === UNFORESEEN && process.env.PFS_DEBUG) console.error(error);
  process.exit(code === "USAGE" ? USAGE_EXIT : exitCode);
}

const HOMELESS: Explanation = {
  code: "NOT_FOUND",
  message: "The working directory is not there any more.",
  hint: "Change to one that is, such as `cd ~`, and try again.",
};

/** getcwd(2) has failed: libuv gives no other name to it. */
function isHomeless(error: unknown): boolean {
  return (error as { syscall?: unknown } | null)?.syscall === "uv_cwd";
}

interface Explanation {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
  /** What a conflict is between. */
  readonly hashes?: ConflictingHashes | undefined;
}

function tell(json: boolean, { code, message, hint, hashes }: Explanation): void {
  if (json) {
    const known = hashes === undefined ? {} : { current_hash: hashes.current };
    process.stderr.write(`${JSON.stringify({ error: { code, message, hint: hint ?? null, ...known } })}\n`);
    return;
  }
  const lines = message.split("\n").map(printable);
  process.stderr.write(`pfs: ${lines.join("\n  ")}\n`);
  if (hint !== undefined) process.stderr.write(`  ${printable(hint)}\n`);
}
