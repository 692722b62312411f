/**
 * Owns what is known of the process behind a request beyond its ids: process, command, groups, capabilities, read from
 * /proc. Must never be asked on a path that only reads: each answer costs some 10 µs.
 */
import { closeSync, openSync, readSync } from "node:fs";
import { isUsed } from "./process-identity.ts";

const buffer = Buffer.alloc(4096);
const TGID_CACHE_MAX = 1024;
/** Thread id → process id, for a moment: ids are used again after a while. */
const processIds = new Map<number, number>();
/** How long a number is sure not to be another thread's: hundreds would have to be made in each millisecond. */
export const SAME_THREAD_MS = 50;
let knownSinceMs = 0;

/** The beginning of what the kernel says of a thread; undefined when it is gone. */
function readStatus(tid: number): string | undefined {
  let fd: number;
  try {
    fd = openSync(`/proc/${tid}/status`, "r");
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

/** The `comm` of the process that was asked for last, which is open: a program that saves file after file asks each time. */
let kept: { readonly pid: number; readonly fd: number } | undefined;

/** The name of a process; undefined when it is gone. */
function readName(pid: number): string | undefined {
  if (kept?.pid === pid) {
    try {
      return buffer.toString("utf8", 0, readSync(kept.fd, buffer, 0, buffer.length, 0));
    } catch {
      // Another process may have that number by now: this descriptor is the one's that has ended.
    }
  }
  if (kept !== undefined) closeSync(kept.fd);
  kept = undefined;
  try {
    kept = { pid, fd: openSync(`/proc/${pid}/comm`, "r") };
    return buffer.toString("utf8", 0, readSync(kept.fd, buffer, 0, buffer.length, 0));
  } catch {
    return undefined;
  }
}

/** The process (thread group) of a thread; the thread's own id when it is gone already; 0 for the kernel itself. */
export function processIdOf(tid: number): number {
  return tid === 0 ? 0 : (findProcessId(tid) ?? tid);
}

/** The process (thread group) of a thread; undefined when it is gone already. */
export function findProcessId(tid: number): number | undefined {
  const nowMs = performance.now();
  if (nowMs - knownSinceMs > SAME_THREAD_MS) {
    processIds.clear();
    knownSinceMs = nowMs;
  }
  const cached = processIds.get(tid);
  if (cached !== undefined) return cached;
  const found = /^Tgid:\s*([0-9]+)$/m.exec(readStatus(tid) ?? "")?.[1];
  // One that is not ours to see counts as a process of its own.
  if (found === undefined) return isUsed(tid) ? tid : undefined;
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
  const comm = (readName(processIdOf(tid)) ?? readName(tid) ?? "").trim();
  return NODE_THREAD_NAMES.has(comm) ? "node" : comm;
}

/** SIGKILL is pending, as it is for each thread of a process that any signal ends. Source: linux/include/uapi/asm-generic/signal.h */
export function isDying(tid: number): boolean {
  const status = readStatus(tid);
  if (status === undefined) return !isUsed(tid);
  const pending = /^S(?:ig|hd)Pnd:\s*([0-9a-f]+)$/gm;
  return [...status.matchAll(pending)].some(([, mask]) => (BigInt(`0x${mask}`) & (1n << 8n)) !== 0n);
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
  const status = tid === 0 ? undefined : readStatus(tid);
  const groups = /^Groups:\s*([0-9 ]*)$/m.exec(status ?? "")?.[1] ?? "";
  const capabilities = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status ?? "")?.[1] ?? "0"}`);
  return {
    groups: groups.split(" ").filter(Boolean).map(Number),
    keepsSetId: (capabilities & (1n << CAP_FSETID)) !== 0n,
    seesTrusted: (capabilities & (1n << CAP_SYS_ADMIN)) !== 0n,
  };
}
