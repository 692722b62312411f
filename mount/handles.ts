/**
 * Owns the numbers by which one kernel names its open files: dense, reused, found without hashing.
 * Must never open or release a file itself.
 */
import { PosixError } from "../schema/errors.ts";

/** `T` is what a handle stands for. */
export class HandleTable<T extends object> {
  readonly #slots: (T | undefined)[] = [];
  readonly #free: number[] = [];
  #count = 0;

  /** How many handles are open. */
  get count(): number {
    return this.#count;
  }

  /** Takes `value` in and returns its number. */
  add(value: T): number {
    this.#count++;
    const reused = this.#free.pop();
    if (reused === undefined) return this.#slots.push(value) - 1;
    this.#slots[reused] = value;
    return reused;
  }

  /** @throws PosixError EBADF for a number that stands for nothing */
  get(fh: number): T {
    const value = this.#slots[fh];
    if (value === undefined) throw new PosixError("EBADF", `No open file has the number ${fh}.`);
    return value;
  }

  /** Takes the handle out; undefined if the number stands for nothing. */
  remove(fh: number): T | undefined {
    const value = this.#slots[fh];
    if (value === undefined) return undefined;
    this.#slots[fh] = undefined;
    this.#free.push(fh);
    this.#count--;
    return value;
  }

  /** All open handles, in no particular order. */
  *values(): IterableIterator<T> {
    for (const value of this.#slots) if (value !== undefined) yield value;
  }
}
