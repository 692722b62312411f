// The file exerciser of test/kernel/, for longer.

import assert from "node:assert/strict";
import { test } from "node:test";
import { exerciseFile } from "../kernel/differential/fsx.ts";

const seed = Number(process.env.PFS_SEED ?? Date.now() % 1_000_000);

test(`fsx: any reads, writes, maps, truncations, holes and copies of one file, for long (seed ${seed})`, async () => {
  await assert.doesNotReject(exerciseFile({ seed, runs: 6, operations: 1500 }));
});
