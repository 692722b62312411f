// Finds and ends the processes that a test run has started, by a variable in their environment. Must never touch a
// process without the marker.

import { readdirSync, readFileSync } from "node:fs";

/** A living process. */
export interface MarkedProcess {
  readonly pid: number;
  readonly command: string;
}

/** The living processes, this one left out, whose environment at start had `marker` (`NAME=value`). */
export function listProcesses(marker: string): MarkedProcess[] {
  return readdirSync("/proc")
    .filter((name) => /^[0-9]+$/.test(name) && name !== `${process.pid}`)
    .flatMap((name) => {
      const environment = readProcFile(`/proc/${name}/environ`).split("\0");
      if (!environment.includes(marker)) return [];
      const command = readProcFile(`/proc/${name}/cmdline`).replaceAll("\0", " ").trim();
      return [{ pid: Number(name), command }];
    });
}

/** Ends processes at once (SIGKILL), for those that did not end when they should have. */
export function endProcesses(processes: readonly MarkedProcess[]): void {
  for (const { pid } of processes) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // Gone by itself meanwhile.
    }
  }
}

function readProcFile(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    // Gone meanwhile, or another user's: not one of ours.
    return "";
  }
}
