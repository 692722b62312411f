// Random system calls, by several users, on a mounted book of profile `any` and on an ordinary directory: every answer,
// what each call changed, and the trees in the end are the same. What is excepted is in executor.py (`is_excepted`).

import { test } from "node:test";
import "../../property-seed.ts";
import { assertSameAsPlain } from "./property.ts";

test("random system calls: a mount answers as an ordinary directory does", async () => {
  await assertSameAsPlain({ sequences: 200, maxCalls: 120 });
});
