// Messages between a machine and PostgreSQL that are none any more when they arrive: nothing crashes, nothing waits for ever, and in
// the end all have the same (O1, R2, R6). PFS_SEED repeats which.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Production } from "./production.ts";
import { syncThroughDamage } from "./wrong-bytes.ts";

const production = new Production();

test("faults, PostgreSQL, O1, R2, R6: requests and answers come in pieces, cut off, or as nonsense: syncs fail, and nothing else does", async (t) => {
  const { changed, failed } = await syncThroughDamage(production, t, 12);
  assert.ok(changed > 4 && failed.size > 2, `${changed} changes, of which ${failed.size} are told`);
});
