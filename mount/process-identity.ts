/**
 * Owns whether a process is still the one that it was: process ids are used again. Must never read more of /proc than the
 * name of a process, which takes none of its locks.
 */
import { closeSync, openSync, readSync } from "node:fs";

/** Files held open, over all identities; beyond it a process counts as the same as long as its number is in use. */
const MAX_HELD = 512;
let held = 0;
const byte = Buffer.alloc(1);

export class ProcessIdentity {
  readonly pid: number;
  /** An open file of /proc stays with its process: once that is gone it cannot be read, also if the number is used again. */
  #fd: number | undefined;

  constructor(pid: number) {
    this.pid = pid;
    if (held >= MAX_HELD) return;
    try {
      this.#fd = openSync(`/proc/${pid}/comm`, "r");
      held++;
    } catch {
      // Not ours to see, or gone.
    }
  }

  /** Whether the process that had the number when this was made still runs. */
  isAlive(): boolean {
    if (this.#fd === undefined) return isUsed(this.pid);
    try {
      readSync(this.#fd, byte, 0, 1, 0);
      return true;
    } catch {
      return false;
    }
  }

  close(): void {
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
    held--;
  }
}

/** Whether a process or thread has this number now, also one that is not ours to see. */
export function isUsed(id: number): boolean {
  try {
    process.kill(id, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === "EPERM";
  }
}
