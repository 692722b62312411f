// The same as test/sync/wrong-bytes-postgres.test.ts, for many more of them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Production } from "../sync/production.ts";
import { syncThroughDamage } from "../sync/wrong-bytes.ts";

const production = new Production();

test("faults, PostgreSQL, O1, R2, R6: dozens of requests and answers come in pieces, cut off, or as nonsense: syncs fail, and nothing else does", async (t) => {
  const { changed, failed } = await syncThroughDamage(production, t, 60);
  const failures = [...failed.values()].reduce((sum, count) => sum + count, 0);
  assert.ok(changed > 30 && failures > 25, `${changed} changes, ${failures} syncs have failed`);
});
