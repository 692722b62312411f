// Memory that one after another uses.

import assert from "node:assert/strict";
import { test } from "node:test";
import { SpareMemory } from "../../lib/spare-memory.ts";

test("memory that was given back is used again, and no more of it is kept than is to be", () => {
  const memory = new SpareMemory(1000, 2);
  const first = Array.from({ length: 3 }, () => memory.take());
  assert.equal(new Set(first).size, 3);
  for (const each of first) {
    assert.equal(each.byteLength, 1000);
    memory.giveBack(each);
  }
  const second = Array.from({ length: 3 }, () => memory.take());
  assert.equal(new Set(second).size, 3);
  assert.equal(second.filter((each) => first.includes(each)).length, 2);
});
