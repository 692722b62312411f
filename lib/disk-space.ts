/**
 * Owns how much may still be written to a store's disk: looked at from time to time, counted down in between, less a
 * reserve and what the database is yet to grow by. Must never write.
 */
import { fstatSync, type StatsFs, statfsSync } from "node:fs";
import { PfsError } from "../schema/errors.ts";

const CHECK_INTERVAL_MS = 100;
/** Free space that writes leave on the store's disk, so that the database can always be closed in order. */
const DEFAULT_RESERVE_BYTES = 16 * 1024 * 1024;
const RESERVE_SHARE = 0.04;
/** About what a commit adds to the write-ahead log beside the bytes that it saves: the pages of the tables. */
const COMMIT_BYTES = 48 * 1024;
/** By then the checkpointing thread has moved a commit into the database. */
const MOVED_AFTER_MS = 2_000;

export class DiskSpace {
  readonly #directory: string;
  readonly #reserveBytes: number | undefined;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #leftBytes = 0;
  #inlineSince = Number.NEGATIVE_INFINITY;
  #inlineBytes = 0;
  #inlineBytesBefore = 0;

  /** `reserveBytes`: what to leave free; by default 16 MiB, on small disks 4 % of them. */
  constructor(directory: string, reserveBytes: number | undefined) {
    this.#directory = directory;
    this.#reserveBytes = reserveBytes;
  }

  /**
   * Takes `bytes` of what is left.
   * @param walFd a descriptor of the write-ahead log, if there is one
   * @throws PfsError FULL
   */
  check(bytes: number, walFd: number | undefined): void {
    const now = performance.now();
    if (now - this.#checkedAt > CHECK_INTERVAL_MS || bytes > this.#leftBytes) {
      const disk = statfsSync(this.#directory);
      const reserve = this.#reserveBytes ?? defaultReserveBytes(disk);
      this.#leftBytes = disk.bavail * disk.bsize - reserve - this.#stillToMoveBytes(now, walFd);
      this.#checkedAt = now;
    }
    if (bytes > this.#leftBytes) throw fullDisk(this.#directory);
    this.#leftBytes -= bytes;
  }

  /** So many bytes go into the database: first into the log, then, when that is emptied, there once more. */
  noteInline(bytes: number): void {
    this.#forgetMoved(performance.now());
    this.#inlineBytes += bytes;
    this.#leftBytes -= 2 * bytes;
  }

  noteCommit(): void {
    this.#leftBytes -= COMMIT_BYTES;
  }

  /** What the database will grow by when the log is emptied, at the most: that must not meet a full disk. */
  #stillToMoveBytes(now: number, walFd: number | undefined): number {
    this.#forgetMoved(now);
    const recent = this.#inlineBytes + this.#inlineBytesBefore;
    return recent === 0 || walFd === undefined ? 0 : Math.min(recent, fstatSync(walFd).size);
  }

  #forgetMoved(now: number): void {
    const ageMs = now - this.#inlineSince;
    if (ageMs <= MOVED_AFTER_MS) return;
    this.#inlineBytesBefore = ageMs > 2 * MOVED_AFTER_MS ? 0 : this.#inlineBytes;
    this.#inlineBytes = 0;
    this.#inlineSince = now;
  }
}

/** What is left free of a disk, unless somebody says otherwise. */
export function defaultReserveBytes({ blocks, bsize }: Pick<StatsFs, "blocks" | "bsize">): number {
  return Math.min(DEFAULT_RESERVE_BYTES, blocks * bsize * RESERVE_SHARE);
}

export function fullDisk(directory: string): PfsError {
  return new PfsError("FULL", `The disk of the store ${directory} is full.`, {
    hint: "Free some space on it; what was saved so far is safe and readable.",
  });
}
