/**
 * Owns which bytes an open file lacks because a write of them has failed: until they come, what is there is a part of what
 * a program meant to save, and must not be saved. Must never touch the bytes.
 */
export class MissingBytes {
  #from = 0;
  #to = 0;
  #error: unknown;

  /** A write of the bytes from `from` up to `to` has failed with `error`. */
  note(from: number, to: number, error: unknown): void {
    const isFirst = this.#from >= this.#to;
    this.#from = isFirst ? from : Math.min(from, this.#from);
    this.#to = isFirst ? to : Math.max(to, this.#to);
    this.#error = error;
  }

  /** The bytes from `from` up to `to` are written: what was tried again is no longer missing. */
  written(from: number, to: number): void {
    if (from <= this.#from && to > this.#from) this.#from = to;
  }

  /** The file ends at `size` now. */
  truncated(size: number): void {
    this.#to = Math.min(this.#to, size);
  }

  /** @throws why bytes are missing, if any are */
  refuse(): void {
    if (this.#from < this.#to) throw this.#error;
  }

  get isEmpty(): boolean {
    return this.#from >= this.#to;
  }
}
