// W1, SC-003: what racing processes were told agrees with the log; long/history.test.ts does ten thousand.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHistory } from "./history.ts";

test("W1, SC-003: 4 processes on 2 mounts: each accepted save follows the version it was made from, none is lost", async () => {
  const seed = `${process.env.PFS_SEED ?? Date.now() % 1_000_000}`;
  const outcome = await checkHistory({ seed, processes: 4, mounts: 2, files: 3, operations: 600 });
  assert.ok(outcome.accepted > 60, `seed ${seed}: ${JSON.stringify(outcome)}`);
});
