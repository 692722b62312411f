// The random system calls of test/kernel/, for longer.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import { assertSameAsPlain } from "../kernel/differential/property.ts";

test("random system calls, for long: a mount answers as an ordinary directory does", async () => {
  await assert.doesNotReject(assertSameAsPlain({ sequences: 300, maxCalls: 150 }));
});
