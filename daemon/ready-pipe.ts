/**
 * How a daemon in the background tells the command that started it that it listens, or why it does not: one line on an
 * inherited pipe. Owns its number and its form.
 */
import { closeSync, writeSync } from "node:fs";
import { type ErrorReport, reportOf } from "./error-report.ts";

/** Variable that names the pipe's descriptor in the daemon. */
export const READY_FD_VARIABLE = "PFSD_READY_FD";
/** Its number: the first after standard input, output and error. */
export const READY_FD = 3;

export interface ReadyLine {
  readonly error?: ErrorReport;
}

/** Tells whoever waits, if anybody does, and closes the pipe. */
export function tellReady(error?: unknown): void {
  if (process.env[READY_FD_VARIABLE] !== String(READY_FD)) return;
  delete process.env[READY_FD_VARIABLE];
  const line: ReadyLine = error === undefined ? {} : { error: reportOf(error) };
  try {
    writeSync(READY_FD, `${JSON.stringify(line)}\n`);
    closeSync(READY_FD);
  } catch {
    // Nobody waits any more.
  }
}
