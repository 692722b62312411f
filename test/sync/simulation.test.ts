// A few schedules of machines that share a book; test/long/ has the many.

import assert from "node:assert/strict";
import { test } from "node:test";
import { simulate } from "./simulation.ts";

test("W1, W2, R6, O1: whatever is done on machines that share a book, and whatever is cut off, all end with the same", async () => {
  assert.equal(await simulate({ schedules: 50, machines: 3, steps: 30 }), 50);
});
