/**
 * Owns reading a range of a file piece by piece in the same little memory, however long it is. Must never look at the bytes.
 */
import { open } from "node:fs/promises";
import { SpareMemory } from "./spare-memory.ts";

/** A piece is as long at most. */
export const PIECE_BYTES = 64 * 1024;

/**
 * The bytes from `start` up to `end`, not included; fewer where the file ends before.
 * Only the last two pieces that were given keep their bytes: the memory of older ones is used again; that of all once the
 * reading has ended, where it is of a `memory` of {@link PIECE_BYTES} that others take from, too.
 */
export async function* filePieces(
  path: string,
  start: number,
  end: number,
  memory = new SpareMemory(PIECE_BYTES),
): AsyncGenerator<Uint8Array> {
  const file = await open(path, "r");
  let [next, last] = [memory.take(), memory.take()];
  try {
    for (let at = start; at < end; ) {
      const { bytesRead } = await file.read(next, 0, Math.min(PIECE_BYTES, end - at), at);
      if (bytesRead === 0) return;
      at += bytesRead;
      yield next.subarray(0, bytesRead);
      [next, last] = [last, next];
    }
  } finally {
    await file.close();
    memory.giveBack(next);
    memory.giveBack(last);
  }
}
