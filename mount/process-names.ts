/**
 * Owns what is known of the process behind a request beyond its ids: process, command, groups, capabilities, read from
 * /proc. Must never be asked on a path that only reads: each answer costs some 10 µs.
 */
import { closeSync, openSync, readSync } from "node:fs";

const buffer = Buffer.alloc(4096);
const TGID_CACHE_MAX = 1024;
/** Thread id → process id. A thread never changes its process; a number that is reused after a wrap may be wrong. */
const processIds = new Map<number, number>();

/** The file's beginning, or undefined when the thread is gone. */
function readProc(tid: number, file: "cmdline" | "comm" | "status"): string | undefined {
  let fd: number;
  try {
    fd = openSync(`/proc/${tid}/${file}`, "r");
  } catch {
    return undefined;
  }
  try {
    return buffer.toString("utf8", 0, readSync(fd, buffer, 0, buffer.length, 0));
  } catch {
    return undefined;
  } finally {
    closeSync(fd);
  }
}

/** The process (thread group) of a thread; the thread's own id when it is gone already; 0 for the kernel itself. */
export function processIdOf(tid: number): number {
  if (tid === 0) return 0;
  const cached = processIds.get(tid);
  if (cached !== undefined) return cached;
  const found = /^Tgid:\s*([0-9]+)$/m.exec(readProc(tid, "status") ?? "")?.[1];
  if (found === undefined) return tid;
  if (processIds.size >= TGID_CACHE_MAX) processIds.clear();
  processIds.set(tid, Number(found));
  return Number(found);
}

/**
 * The name a user knows the process by: the base name of argv[0] (the kernel's own name for a thread is often an
 * internal one, such as Node's `MainThread`); for a process without arguments its comm; empty when it is gone.
 */
export function commandOf(tid: number): string {
  if (tid === 0) return "";
  const line = readProc(tid, "cmdline");
  if (line === undefined) return "";
  const end = line.indexOf("\0");
  const first = end === -1 ? line : line.slice(0, end);
  const name = first.slice(first.lastIndexOf("/") + 1).trim();
  return name !== "" ? name : (readProc(tid, "comm") ?? "").trim();
}

/** What a thread may do with set-id bits, as far as the kernel's request does not say it. */
export interface ThreadRights {
  /** Supplementary groups. */
  readonly groups: readonly number[];
  /** CAP_FSETID: keeps set-id bits where others lose them. */
  readonly keepsSetId: boolean;
}

/** Source: linux/include/uapi/linux/capability.h */
const CAP_FSETID = 4n;

/** No groups and no rights for a thread that is gone. */
export function rightsOf(tid: number): ThreadRights {
  const status = tid === 0 ? undefined : readProc(tid, "status");
  const groups = /^Groups:\s*([0-9 ]*)$/m.exec(status ?? "")?.[1] ?? "";
  const capabilities = /^CapEff:\s*([0-9a-f]+)$/m.exec(status ?? "")?.[1] ?? "0";
  return {
    groups: groups.split(" ").filter(Boolean).map(Number),
    keepsSetId: (BigInt(`0x${capabilities}`) & (1n << CAP_FSETID)) !== 0n,
  };
}
