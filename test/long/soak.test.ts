// W1, W2, SC-002: ten minutes of the soak; `npm run soak -- --minutes 600` is a long one. PFS_SEED repeats what each program does, not how they meet.

import assert from "node:assert/strict";
import { test } from "node:test";
import { soak } from "../soak/soak.ts";

const SECONDS = 600;

test("SC-002, W1: editors, git and random writers of three layers, with the daemon killed at random and synced through faults to a machine with a dev server: all that was acknowledged is there, both have the same, edits show, nothing grows, verify is clean", async (t) => {
  const seed = Number(process.env.PFS_SEED ?? Date.now() % 1_000_000);
  t.diagnostic(`seed ${seed}`);
  const outcome = await soak({ seed, seconds: SECONDS, onLine: (line) => t.diagnostic(line) });
  t.diagnostic(JSON.stringify(outcome));
  const { acknowledged, kills, shown, faults } = outcome;
  assert.ok(
    acknowledged > 100 && kills > 0 && shown > 0 && faults.http > 0 && faults.cuts > 0,
    `seed ${seed}: ${JSON.stringify(outcome)}`,
  );
});
