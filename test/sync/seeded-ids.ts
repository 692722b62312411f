// File ids that come again in the same order, for a test that is to be repeated exactly.

import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { newFileId } from "../../schema/ids.ts";

/** From now on file ids, and whatever else fills memory at random, are those of a seed. @returns what makes them random again */
export function seedFileIds(seed: number): () => void {
  const { randomFillSync } = crypto;
  let state = seed;
  let isFilled = false;
  // mulberry32 (public domain).
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  crypto.randomFillSync = ((array: Uint32Array) => {
    isFilled = true;
    return array.map((_, index) => (array[index] = next()));
  }) as typeof randomFillSync;
  syncBuiltinESMExports();
  // What was drawn before is used up first.
  while (!isFilled) newFileId();
  return () => {
    crypto.randomFillSync = randomFillSync;
    syncBuiltinESMExports();
  };
}
