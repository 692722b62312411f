// One of two daemons that share a book killed with SIGKILL at two of the steps of a push, a pull and publishing, chosen at random;
// `test/long/killed-sync.test.ts` does all of them. PFS_SEED repeats which.

import assert from "node:assert/strict";
import { test } from "node:test";
import { seededRandom, takeSeed } from "../remote/random.ts";
import { everyKilling, KilledSync } from "./killed-sync.ts";

const ROUNDS = 2;

test("SC-002, O1, R2, R6: a daemon killed at some step of push, pull or publish: both machines come to the same, and nothing is lost", async (t) => {
  const seed = takeSeed();
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  // Long uploads take long.
  const all = everyKilling(seed).filter(({ step }) => !step.startsWith("upload."));
  await KilledSync.with(async (pair) => {
    for (let round = 0; round < ROUNDS; round++) {
      const [killing] = all.splice(Math.floor(random() * all.length), 1);
      assert.ok(killing !== undefined);
      const saves = await pair.kill(killing);
      t.diagnostic(`${killing.step}, ${killing.victim}: ${saves} saves were acknowledged`);
    }
  });
});
