/**
 * Owns whether a process still has a file open after it closed one descriptor of it, read from /proc. Must never follow
 * the links there: they lead into the mount, which the thread that asks serves.
 */
import { readdirSync, readlinkSync } from "node:fs";

/** A process with more open files than this is no shell that redirects. */
const MAX_DESCRIPTORS = 64;

/** Whether one of the thread's descriptors is of a file with this name. False when the process is gone or not ours to see. */
export function hasOpenByName(tid: number, name: string): boolean {
  if (tid === 0) return false;
  try {
    const descriptors = readdirSync(`/proc/${tid}/fd`);
    if (descriptors.length > MAX_DESCRIPTORS) return false;
    return descriptors.some((fd) => readLink(`/proc/${tid}/fd/${fd}`).endsWith(`/${name}`));
  } catch {
    return false;
  }
}

/** Empty for a descriptor that was closed since it was listed. */
function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}
