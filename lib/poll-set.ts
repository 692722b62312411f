/**
 * The descriptors that a thread waits on: owns the array of poll(2), reused at every wait. Must never read them.
 */
import { Errno } from "../schema/errors.ts";
import { pollFds, posixError } from "./libc.ts";

/** `POLLIN` of poll(2). Errors and hang-ups are always reported, so that they count as ready too. */
const POLLIN = 1;
const ENTRY_BYTES = 8;

export class PollSet {
  #entries = Buffer.alloc(8 * ENTRY_BYTES);
  #fds: number[] = [];

  get size(): number {
    return this.#fds.length;
  }

  /** Waits for `fd` too, from the next `wait` on. */
  add(fd: number): void {
    if (this.#fds.includes(fd)) throw new Error(`descriptor ${fd} is waited on already`);
    this.#fds.push(fd);
    this.#rebuild();
  }

  remove(fd: number): void {
    this.#fds = this.#fds.filter((known) => known !== fd);
    this.#rebuild();
  }

  /** Waits until one is readable, failed or hung up; returns how many are: 0 after the time-out or a signal. */
  wait(timeoutMs = -1): number {
    const ready = pollFds(this.#entries, this.#fds.length, timeoutMs);
    if (ready >= 0) return ready;
    for (let index = 0; index < this.#fds.length; index++)
      this.#entries.writeUInt16LE(0, index * ENTRY_BYTES + 6);
    if (ready === -Errno.EINTR) return 0;
    throw posixError(-ready, "poll");
  }

  /** Whether the last `wait` found the descriptor ready. `index` counts in the order of `add`. */
  isReady(index: number): boolean {
    const at = index * ENTRY_BYTES + 6;
    return (this.#entries[at] as number) !== 0 || (this.#entries[at + 1] as number) !== 0;
  }

  #rebuild(): void {
    const needed = this.#fds.length * ENTRY_BYTES;
    if (needed > this.#entries.length) this.#entries = Buffer.alloc(needed * 2);
    this.#entries.fill(0);
    this.#fds.forEach((fd, index) => {
      this.#entries.writeInt32LE(fd, index * ENTRY_BYTES);
      this.#entries.writeInt16LE(POLLIN, index * ENTRY_BYTES + 4);
    });
  }
}
