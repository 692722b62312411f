/**
 * Owns when the bytes of a file that is written in order, and will be synced at its end, go to the disk: as they come, so that
 * the sync is short and the page cache does not hold them all. Must never wait for the disk, nor say that it has them.
 */
import { dropCached, startWriteback } from "./libc.ts";

/** How much goes to the disk at a time. */
const WINDOW_BYTES = 4 * 1024 * 1024;
/** How much of the end stays cached: a file that is not larger does as a whole. Enough that what is dropped is on the disk. */
const KEPT_BYTES = 32 * 1024 * 1024;

export class WriteBehind {
  readonly #fd: number;
  #startedBytes = 0;
  #droppedBytes = 0;

  /** The descriptor stays the caller's. */
  constructor(fd: number) {
    this.#fd = fd;
  }

  /** The first `writtenBytes` of the file are written; fewer than before when it has begun anew. */
  advance(writtenBytes: number): void {
    if (writtenBytes < this.#startedBytes) {
      this.#startedBytes = 0;
      this.#droppedBytes = 0;
    }
    if (writtenBytes - this.#startedBytes < WINDOW_BYTES) return;
    startWriteback(this.#fd, this.#startedBytes, writtenBytes - this.#startedBytes);
    this.#startedBytes = writtenBytes;
    const old = writtenBytes - KEPT_BYTES - this.#droppedBytes;
    if (old < WINDOW_BYTES) return;
    dropCached(this.#fd, this.#droppedBytes, old);
    this.#droppedBytes += old;
  }
}
