// W1, SC-003: ten thousand racing reads and writes. PFS_SEED repeats what each process does, not how they meet.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHistory } from "../fault/history.ts";

const LIMIT_MS = 120_000;

for (const [processes, mounts, files] of [
  [6, 3, 2],
  [4, 2, 8],
] as const) {
  test(`W1, SC-003: 10,000 operations of ${processes} processes on ${mounts} mounts and ${files} files, in two minutes`, async (t) => {
    const seed = `${process.env.PFS_SEED ?? Date.now() % 1_000_000}`;
    const startedMs = performance.now();
    const outcome = await checkHistory({ seed, processes, mounts, files, operations: 10_000 });
    const tookMs = performance.now() - startedMs;
    t.diagnostic(`seed ${seed}: ${JSON.stringify(outcome)} in ${Math.round(tookMs / 1000)} s`);
    const { accepted, refused } = outcome;
    assert.ok(accepted > 1000 && refused > 100, JSON.stringify(outcome));
    assert.ok(tookMs < LIMIT_MS);
  });
}
