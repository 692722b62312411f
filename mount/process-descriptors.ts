/**
 * Owns whether a process still has a file open after it closed one descriptor of it, read from /proc. Must never follow
 * or read the links in /proc/<pid>/fd: a process that is executing a program, and closes its files meanwhile, holds a
 * lock (exec_update_lock) that reading them waits for, while it waits for the thread that asks. fdinfo needs no lock.
 */
import { readdirSync, readFileSync } from "node:fs";

/** A process with more open files than this is no shell that redirects. */
const MAX_DESCRIPTORS = 64;

/**
 * Whether one of the thread's descriptors is of the file with this inode number. False when the process is gone or not
 * ours to see, and on a kernel that does not tell (before Linux 5.14).
 */
export function hasOpen(tid: number, inode: number): boolean {
  if (tid === 0) return false;
  try {
    const descriptors = readdirSync(`/proc/${tid}/fdinfo`);
    if (descriptors.length > MAX_DESCRIPTORS) return false;
    return descriptors.some((fd) => inodeOf(`/proc/${tid}/fdinfo/${fd}`) === inode);
  } catch {
    return false;
  }
}

/** Undefined for a descriptor that was closed since it was listed. */
function inodeOf(path: string): number | undefined {
  try {
    const found = /^ino:\s*([0-9]+)$/m.exec(readFileSync(path, "latin1"))?.[1];
    return found === undefined ? undefined : Number(found);
  } catch {
    return undefined;
  }
}
