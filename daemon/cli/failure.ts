/**
 * How a command fails: one sentence on what went wrong and where, one on what to do, an exit code. Owns the codes: 2 when
 * the command line is not understood, 1 otherwise.
 */
import { CommanderError } from "commander";
import { reportOf, UNFORESEEN } from "../error-report.ts";
import { printable } from "./text.ts";

const USAGE_EXIT = 2;
const FAILURE_EXIT = 1;

/** A failure that has been explained already, by what was printed. */
export class Told extends Error {}

/** Tells the failure on standard error and ends the process. */
export function failWith(error: unknown, { json }: { readonly json: boolean }): never {
  if (error instanceof Told) process.exit(FAILURE_EXIT);
  // Commander has printed what it has to say, on the right stream; its code 0 is --help and --version.
  if (error instanceof CommanderError) {
    if (json && error.exitCode !== 0) {
      const message = error.message.replace(/^error: /, "");
      tell(json, { code: "USAGE", message, hint: "`pfs --help` lists what there is." });
    }
    process.exit(error.exitCode === 0 ? 0 : USAGE_EXIT);
  }
  const { code, message, hint } = reportOf(error);
  tell(json, { code, message, hint });
  if (code === UNFORESEEN && process.env.PFS_DEBUG) console.error(error);
  process.exit(code === "USAGE" ? USAGE_EXIT : FAILURE_EXIT);
}

interface Explanation {
  readonly code: string;
  readonly message: string;
  readonly hint?: string | undefined;
}

function tell(json: boolean, { code, message, hint }: Explanation): void {
  if (json) {
    process.stderr.write(`${JSON.stringify({ error: { code, message, hint: hint ?? null } })}\n`);
    return;
  }
  const lines = message.split("\n").map(printable);
  process.stderr.write(`pfs: ${lines.join("\n  ")}\n`);
  if (hint !== undefined) process.stderr.write(`  ${printable(hint)}\n`);
}
