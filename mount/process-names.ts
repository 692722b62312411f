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
function readProc(tid: number, file: "comm" | "status"): string | undefined {
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

/** Names that Node gives its main thread instead of the program's. */
const NODE_THREAD_NAMES: ReadonlySet<string> = new Set(["MainThread", "node-MainThread"]);

/**
 * The name of the process as the kernel has it (comm; at most 15 bytes). Empty when the process is gone. Never from its
 * arguments: they are in its memory, whose lock may be held by a thread of it that waits for us (mmap over a mapping of a
 * file of ours, a page fault in one), and every mount would hang.
 */
export function commandOf(tid: number): string {
  if (tid === 0) return "";
  const comm = (readProc(processIdOf(tid), "comm") ?? readProc(tid, "comm") ?? "").trim();
  return NODE_THREAD_NAMES.has(comm) ? "node" : comm;
}

/** What a thread may do, as far as the kernel does not check it and its request does not say it. */
export interface ThreadRights {
  /** Supplementary groups. */
  readonly groups: readonly number[];
  /** CAP_FSETID: keeps set-id bits where others lose them. */
  readonly keepsSetId: boolean;
  /** CAP_SYS_ADMIN: sees extended attributes named trusted.*. */
  readonly seesTrusted: boolean;
}

/** Source: linux/include/uapi/linux/capability.h */
const [CAP_FSETID, CAP_SYS_ADMIN] = [4n, 21n];

/** No groups and no rights for a thread that is gone. */
export function rightsOf(tid: number): ThreadRights {
  const status = tid === 0 ? undefined : readProc(tid, "status");
  const groups = /^Groups:\s*([0-9 ]*)$/m.exec(status ?? "")?.[1] ?? "";
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status ?? "")?.[1] ?? "0"}`);
  return {
    groups: groups.split(" ").filter(Boolean).map(Number),
    keepsSetId: (capabilities & (1n << CAP_FSETID)) !== 0n,
    seesTrusted: (capabilities & (1n << CAP_SYS_ADMIN)) !== 0n,
  };
}
