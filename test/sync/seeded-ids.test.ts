// Ids of a seed come again, and none of them once they are random again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { newFileId } from "../../schema/ids.ts";
import { seedFileIds } from "./seeded-ids.ts";

const draw = (count: number): number[] => Array.from({ length: count }, newFileId);

/** The first of a seed's. */
function seeded(seed: number, count: number): number[] {
  const restore = seedFileIds(seed);
  try {
    return draw(count);
  } finally {
    restore();
  }
}

test("A seed's file ids come again in the same order", () => {
  assert.deepEqual(seeded(1, 300), seeded(1, 300));
  assert.notDeepEqual(seeded(1, 3), seeded(2, 3));
});

test("What is left of a seed's ids is nobody's: a store made next has none that the seed gives again", () => {
  seeded(1, 1);
  const later = new Set(draw(300));
  assert.deepEqual(
    seeded(1, 300).filter((id) => later.has(id)),
    [],
  );
});
