/**
 * Owns buffers of one length that are used by one after another: what is left to the garbage collector piles up for as long as
 * it sees no need. Must never know what is in them.
 */
export class SpareMemory {
  readonly #bytes: number;
  readonly #most: number;
  readonly #free: Buffer[] = [];

  /**
   * @param bytes the length of each
   * @param most how many are kept while nobody uses them
   */
  constructor(bytes: number, most = Number.POSITIVE_INFINITY) {
    this.#bytes = bytes;
    this.#most = most;
  }

  /** A buffer with any content. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#bytes);
  }

  /** What nobody reads or writes any more. */
  giveBack(buffer: Buffer): void {
    if (this.#free.length < this.#most) this.#free.push(buffer);
  }
}
