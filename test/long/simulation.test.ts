// More schedules, and of many more machines and steps, than test/sync/simulation.test.ts has.

import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate } from "../sync/simulation.ts";

for (const [machines, steps, schedules] of [
  [3, 12, 400],
  [5, 60, 100],
  [3, 150, 60],
  [12, 300, 10],
] as const)
  test(`W1, W2, R6, O1: up to ${machines} machines, ${steps} steps, ${schedules} schedules: all end with the same`, async () => {
    assert.equal(await simulate({ machines, steps, schedules }), schedules);
  });
