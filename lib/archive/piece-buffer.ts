/** Owns gathering small pieces of a stream into larger ones, in one buffer that is used again. Must never keep a large one. */
const BUFFER_BYTES = 256 * 1024;
const LARGE_BYTES = 64 * 1024;

export class PieceBuffer {
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #length = 0;

  /** Takes a piece; gives what is to be passed on now. The piece may be used again once all of that was taken. */
  *add(piece: Uint8Array): Generator<Uint8Array, void> {
    const isLarge = piece.byteLength >= LARGE_BYTES;
    if (isLarge || this.#length + piece.byteLength > BUFFER_BYTES) yield* this.rest();
    if (isLarge) yield piece;
    else {
      this.#buffer.set(piece, this.#length);
      this.#length += piece.byteLength;
    }
  }

  /** Gives what is left. */
  *rest(): Generator<Uint8Array, void> {
    if (this.#length === 0) return;
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = 0;
    yield bytes;
  }
}
