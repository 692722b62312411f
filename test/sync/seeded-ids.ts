// File ids that come again in the same order, for a test that is to be repeated exactly.

import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import { newFileId } from "../../schema/ids.ts";

type Fill = typeof crypto.randomFillSync;

/** From now on file ids, and whatever else fills memory at random, are those of a seed. @returns what makes them random again */
export function seedFileIds(seed: number): () => void {
  const { randomFillSync } = crypto;
  let state = seed;
  // mulberry32 (public domain).
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  drawFrom(((array: Uint32Array) => array.map((_, index) => (array[index] = next()))) as Fill);
  // What is left of the seed's goes, too: stores that are made next would have the ids of a schedule with the same seed.
  return () => drawFrom(randomFillSync);
}

/** Uses up what was drawn before. */
function drawFrom(fill: Fill): void {
  let isFilled = false;
  const noticed = (array: Uint32Array): Uint32Array => {
    isFilled = true;
    return fill(array);
  };
  replace(noticed as Fill);
  while (!isFilled) newFileId();
  replace(fill);
}

function replace(fill: Fill): void {
  crypto.randomFillSync = fill;
  syncBuiltinESMExports();
}
