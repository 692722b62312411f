// The differential test of test/kernel/, with many more and longer sequences of system calls.

import { test } from "node:test";
import "../property-seed.ts";
import { assertSameAsPlain } from "../kernel/differential/property.ts";

test("many random system calls: a mount answers as an ordinary directory does", async () => {
  await assertSameAsPlain({ sequences: 200, maxCalls: 120 });
});
