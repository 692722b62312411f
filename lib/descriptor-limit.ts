/**
 * Owns how many of this process's descriptors the files that programs have open may take, so that some are left for the database,
 * connections and new mounts. Must never know what is opened.
 */
import { closeSync, openSync, readFileSync } from "node:fs";
import { PfsError } from "../schema/errors.ts";

/** How many are left for everything else; half of them all where there are few. */
const RESERVED = 512;
/** In proc_pid_limits(5); the soft limit, which Node raises to the hard one when it starts. */
const LIMIT_LINE = /^Max open files +(\d+)/m;

let limit: number | undefined;

/** openSync for what stays open as long as a program wishes. @throws PfsError TOO_MANY; Node's system errors */
export function openForPrograms(path: string, flags: string | number, mode?: number): number {
  let fd: number;
  try {
    fd = openSync(path, flags, mode);
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "EMFILE" ? tooMany(error) : error;
  }
  limit ??= findLimit();
  // The kernel gives the lowest number that is free: so many are in use, at least.
  if (fd < limit) return fd;
  closeSync(fd);
  throw tooMany();
}

function findLimit(): number {
  const most = Number(
    LIMIT_LINE.exec(readFileSync("/proc/self/limits", "latin1"))?.[1] ?? Number.POSITIVE_INFINITY,
  );
  return Math.max(most - RESERVED, most / 2);
}

function tooMany(cause?: unknown): PfsError {
  return new PfsError("TOO_MANY", "Programs have as many large files open as the daemon may have.", {
    hint: "Close some; the daemon's limit is that of its process (`ulimit -n`, LimitNOFILE= of its unit).",
    cause,
  });
}
