// The table of lookups against a Map, with node ids that collide.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { LookupCounts } from "../../mount/lookup-counts.ts";

const nodeid = fc.oneof(
  fc.integer({ min: 1, max: 40 }),
  fc.integer({ min: 1, max: 40 }).map((low) => low * 2 ** 32 + 1),
  fc.integer({ min: 2 ** 32, max: Number.MAX_SAFE_INTEGER }),
);
const step = fc.record({ nodeid, count: fc.integer({ min: 0, max: 2 ** 32 - 1 }) });

test("lookups are counted as a Map would, whatever comes and goes", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 4000, size: "max" }), (steps) => {
      const table = new LookupCounts();
      const map = new Map<number, number>();
      for (const { nodeid, count } of steps) {
        if (count % 3 === 0) {
          table.delete(nodeid);
          map.delete(nodeid);
        } else {
          table.set(nodeid, count);
          map.set(nodeid, count);
        }
        assert.equal(table.get(nodeid), map.get(nodeid) ?? 0);
      }
      assert.equal(table.size, map.size);
      assert.deepEqual(table.keys().sort(), [...map.keys()].sort());
      for (const [key, count] of map) assert.equal(table.get(key), count);
      for (const { nodeid } of steps) table.delete(nodeid);
      assert.deepEqual(table.keys(), []);
    }),
    { numRuns: 60 },
  );
});

test("a hundred thousand node ids are found again", () => {
  const table = new LookupCounts();
  const ids = Array.from({ length: 100_000 }, (_, index) => 2 ** 32 + index * 7919);
  for (const id of ids) table.set(id, 1);
  assert.equal(table.size, ids.length);
  assert.ok(ids.every((id) => table.has(id)));
  for (const id of ids) table.delete(id);
  assert.equal(table.size, 0);
});
