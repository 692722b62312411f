/**
 * Owns reading a range of a file piece by piece in the same little memory, however long it is: what is left to the garbage
 * collector piles up for as long as it sees no need. Must never look at the bytes.
 */
import { open } from "node:fs/promises";

const PIECE_BYTES = 64 * 1024;

/**
 * The bytes from `start` up to `end`, not included; fewer where the file ends before.
 * Only the last two pieces that were given keep their bytes: the memory of older ones is used again.
 */
export async function* filePieces(path: string, start: number, end: number): AsyncGenerator<Uint8Array> {
  const file = await open(path, "r");
  try {
    let [next, last] = [Buffer.allocUnsafeSlow(PIECE_BYTES), Buffer.allocUnsafeSlow(PIECE_BYTES)];
    for (let at = start; at < end; ) {
      const { bytesRead } = await file.read(next, 0, Math.min(PIECE_BYTES, end - at), at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield next.subarray(0, bytesRead);
      [next, last] = [last, next];
    }
  } finally {
    await file.close();
  }
}
