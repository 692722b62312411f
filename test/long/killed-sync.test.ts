// One of two daemons that share a book killed with SIGKILL at every named step of a push, a pull and publishing, while programs
// save on the mounts of both: started again, it and the other one come to the same, and nothing is lost, there twice or left over
// (O1, R2, R6, B1, SC-002). PFS_SEED repeats which is killed when.

import assert from "node:assert/strict";
import { test } from "node:test";
import { everyKilling, KilledSync } from "../fault/killed-sync.ts";
import { takeSeed } from "../remote/random.ts";

test("SC-002, O1, R2, R6: a daemon killed at any step of push, pull and publish: both machines come to the same, and nothing is lost", async (t) => {
  const seed = takeSeed();
  t.diagnostic(`seed ${seed}`);
  let total = 0;
  await KilledSync.with(async (pair) => {
    for (const killing of everyKilling(seed)) {
      const saves = await pair.kill(killing);
      total += saves;
      t.diagnostic(`${killing.step}, ${killing.victim}: ${saves} saves were acknowledged`);
    }
    assert.ok(total > 100, `${total} saves were acknowledged`);
    await pair.assertSoundByCommands();
  });
});
