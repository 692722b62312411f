// Random system calls, by several users, on a mounted book of profile `any` and on an ordinary directory: every answer,
// what each call changed, and the trees in the end are the same. What is excepted is in executor.py (`is_excepted`).

import "../property-seed.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSameAsPlain } from "./differential/property.ts";

test("random system calls: a mount answers as an ordinary directory does", async () => {
  await assert.doesNotReject(assertSameAsPlain({ sequences: 60, maxCalls: 100 }));
});
