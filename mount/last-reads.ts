/**
 * Owns which version of each file every process last saw (W1), for all mounts of one tree. What is read is noted by thread,
 * at the cost of a Map's entry; whose thread it is, is looked up when nobody waits, or when it decides something. Must never
 * touch /proc for a read-only open, nor forget what a process that still runs has read.
 */
import type { BlobHash, FileId } from "../schema/ids.ts";
import { ProcessIdentity } from "./process-identity.ts";
import { findProcessId, SAME_THREAD_MS } from "./process-names.ts";

interface ProcessKnowledge {
  readonly identity: ProcessIdentity;
  /** Versions that it read, or that it wrote after having read the file. */
  read: Map<FileId, BlobHash>;
  /** Versions that it wrote without ever having read the file. */
  readonly wrote: Map<FileId, BlobHash>;
  /** When it was last seen to be the same process, in milliseconds. */
  seenMs: number;
}

/** Read, but which version nobody knows, or none at all: counts as an older one. */
export const UNSURE = "" as BlobHash;
/** Versions that are remembered before processes that are gone must be looked for. */
const FIRST_LIMIT = 250_000;
const SWEEP_PROCESSES = 64;
const SWEEP_INTERVAL_MS = 1000;
const KNOWN_THREADS_MAX = 8192;
/** How long a thread counts as known: numbers are used again. */
const MET_MS = 10_000;

export class LastReads {
  /** Read since whose threads they are was last looked up, by thread. */
  readonly #fresh = new Map<number, Map<FileId, BlobHash>>();
  readonly #processes = new Map<number, ProcessKnowledge>();
  /** Process of each thread that was looked up lately: for one that has ended since it read. */
  readonly #threads = new Map<number, number>();
  #lastThread = 0;
  #lastReads: Map<FileId, BlobHash> | undefined;
  #limit = FIRST_LIMIT;
  #sweep: IterableIterator<[number, ProcessKnowledge]> | undefined;
  #metSinceMs = 0;
  #sweptMs = Number.NEGATIVE_INFINITY;

  /** A thread has read, or opened for reading, this version. */
  note(tid: number, fileId: FileId, hash: BlobHash): void {
    if (tid === this.#lastThread && this.#lastReads !== undefined) {
      this.#lastReads.set(fileId, hash);
      return;
    }
    // The kernel itself, or a process whose number means nothing here.
    if (tid === 0) return;
    let reads = this.#fresh.get(tid);
    if (reads === undefined) {
      reads = new Map();
      this.#fresh.set(tid, reads);
    }
    reads.set(fileId, hash);
    this.#lastThread = tid;
    this.#lastReads = reads;
  }

  /** Whether it was found out before whose thread this is. */
  hasMet(tid: number): boolean {
    return this.#threads.has(tid);
  }

  /** Finds out whose thread this is if that was never done: it may end soon. */
  meetThread(tid: number): void {
    if (this.#fresh.size > 0 && !this.#threads.has(tid)) this.settle();
  }

  /** Credits what was noted by thread to the processes. */
  settle(): void {
    if (this.#fresh.size === 0) return;
    for (const [tid, reads] of this.#fresh) {
      const pid = this.ownerOf(tid);
      // It ended before anybody looked: nobody knows whose it was, or nobody is left to know what it read.
      if (pid === undefined) continue;
      if (this.#threads.size >= KNOWN_THREADS_MAX) this.#threads.clear();
      this.#threads.set(tid, pid);
      this.#credit(pid, reads);
    }
    this.#fresh.clear();
    this.#lastThread = 0;
    this.#lastReads = undefined;
  }

  /** The process of a thread, if that goes on. */
  ownerOf(tid: number): number | undefined {
    return findProcessId(tid) ?? this.#survivorOf(tid);
  }

  /** The version that a process last read, or wrote after having read one. */
  lastRead(pid: number, fileId: FileId): BlobHash | undefined {
    return this.#find(pid)?.read.get(fileId);
  }

  /** The version that a process last wrote without having read the file. */
  lastWritten(pid: number, fileId: FileId): BlobHash | undefined {
    return this.#find(pid)?.wrote.get(fileId);
  }

  /** What a process has read of a file, if anything, may have been no version. */
  doubt(pid: number, fileId: FileId): void {
    this.settle();
    const read = this.#find(pid)?.read;
    if (read?.has(fileId)) read.set(fileId, UNSURE);
  }

  /** A process has made this version. */
  wrote(pid: number, fileId: FileId, hash: BlobHash): void {
    if (pid === 0) return;
    const { read, wrote } = this.#find(pid) ?? this.#add(pid);
    if (read.has(fileId)) read.set(fileId, hash);
    else wrote.set(fileId, hash);
  }

  /** Another file now has the path of a file: who knew the old one knows that version of the path, and no later one. */
  inherit(from: FileId, to: FileId): void {
    this.settle();
    for (const { read, wrote } of this.#processes.values()) {
      const hash = read.get(from);
      if (hash === undefined || read.has(to)) continue;
      // It has made the new one itself, knowing the old one.
      read.set(to, wrote.get(to) ?? hash);
      wrote.delete(to);
    }
  }

  /** Whether any process has read a version of this file. */
  isKnown(fileId: FileId): boolean {
    this.settle();
    for (const { read } of this.#processes.values()) if (read.has(fileId)) return true;
    return false;
  }

  /** Whether {@link rest} has something to do that should not wait for long. */
  get isSettled(): boolean {
    return this.#fresh.size === 0;
  }

  /** To be called when nobody waits: does what was put off, and forgets some processes that are gone. */
  rest(): void {
    this.settle();
    if (this.#processes.size === 0) return;
    const nowMs = performance.now();
    if (nowMs - this.#metSinceMs > MET_MS) {
      this.#threads.clear();
      this.#metSinceMs = nowMs;
    }
    if (nowMs - this.#sweptMs < SWEEP_INTERVAL_MS) return;
    this.#sweptMs = nowMs;
    this.#sweep ??= this.#processes.entries();
    for (let checked = 0; checked < SWEEP_PROCESSES; checked++) {
      const next = this.#sweep.next();
      if (next.done === true) {
        this.#sweep = undefined;
        return;
      }
      if (!next.value[1].identity.isAlive()) this.#forget(next.value[0]);
    }
  }

  /** How many versions are remembered. */
  get size(): number {
    let size = 0;
    for (const { read, wrote } of this.#processes.values()) size += read.size + wrote.size;
    for (const reads of this.#fresh.values()) size += reads.size;
    return size;
  }

  /** How many processes are known to have read or written anything. */
  get processCount(): number {
    return this.#processes.size;
  }

  close(): void {
    for (const pid of [...this.#processes.keys()]) this.#forget(pid);
    this.#fresh.clear();
    this.#lastReads = undefined;
  }

  /** The process of a thread that has ended, if that process goes on. */
  #survivorOf(tid: number): number | undefined {
    const pid = this.#threads.get(tid);
    return pid === undefined || pid === tid || this.#find(pid) === undefined ? undefined : pid;
  }

  #credit(pid: number, reads: Map<FileId, BlobHash>): void {
    const process = this.#find(pid) ?? this.#add(pid);
    if (process.wrote.size > 0) for (const fileId of reads.keys()) process.wrote.delete(fileId);
    if (process.read.size === 0) process.read = reads;
    else for (const [fileId, hash] of reads) process.read.set(fileId, hash);
  }

  /** What is known of the process that has this number now. */
  #find(pid: number): ProcessKnowledge | undefined {
    const found = this.#processes.get(pid);
    const nowMs = performance.now();
    if (found === undefined || nowMs - found.seenMs < SAME_THREAD_MS) return found;
    if (!found.identity.isAlive()) {
      this.#forget(pid);
      return undefined;
    }
    found.seenMs = nowMs;
    return found;
  }

  #add(pid: number): ProcessKnowledge {
    this.#makeRoom();
    const made: ProcessKnowledge = {
      identity: new ProcessIdentity(pid),
      read: new Map(),
      wrote: new Map(),
      seenMs: performance.now(),
    };
    this.#processes.set(pid, made);
    return made;
  }

  /** Forgets processes that are gone once there is much; what runs keeps what it knows, however much that is. */
  #makeRoom(): void {
    if (this.#processes.size % SWEEP_PROCESSES !== 0 || this.size < this.#limit) return;
    for (const [pid, { identity }] of this.#processes) if (!identity.isAlive()) this.#forget(pid);
    this.#limit = Math.max(FIRST_LIMIT, 2 * this.size);
  }

  #forget(pid: number): void {
    this.#processes.get(pid)?.identity.close();
    this.#processes.delete(pid);
  }
}
