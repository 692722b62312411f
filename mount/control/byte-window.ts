/**
 * Owns the part of a stream that was made and not yet passed over by its reader, in one buffer that is used again. Must
 * never know what the bytes are.
 */
const FIRST_BYTES = 256 * 1024;

export class ByteWindow {
  #buffer: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;
  #start = 0;

  /** Where in the stream it begins. */
  get start(): number {
    return this.#start;
  }

  /** Where in the stream it ends. */
  get end(): number {
    return this.#start + this.#length;
  }

  /** Good until the next change. */
  get bytes(): Buffer {
    return this.#buffer.subarray(0, this.#length);
  }

  append(text: string): void {
    const wanted = this.#length + Buffer.byteLength(text);
    if (wanted > this.#buffer.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(wanted, this.#buffer.length * 2));
      this.bytes.copy(larger);
      this.#buffer = larger;
    }
    this.#length += this.#buffer.write(text, this.#length);
  }

  /** Forgets what lies before a place in the stream. */
  dropUntil(place: number): void {
    const passed = Math.max(0, Math.min(place - this.#start, this.#length));
    this.#buffer.copyWithin(0, passed, this.#length);
    this.#length -= passed;
    this.#start += passed;
  }

  /** Copies bytes from a place in the stream on into `target`; returns how many. */
  copy(place: number, target: Uint8Array): number {
    const bytes = this.bytes.subarray(place - this.#start, place - this.#start + target.byteLength);
    target.set(bytes);
    return bytes.length;
  }

  /** Begins anew. */
  clear(): void {
    this.#length = 0;
    this.#start = 0;
  }
}
