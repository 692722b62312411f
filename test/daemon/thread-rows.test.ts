// When rows of the log are told to the main thread: together, soon, and before anything that happened later.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ThreadRows } from "../../daemon/thread-rows.ts";
import type { LogRow } from "../../schema/log-row.ts";

const row = (seq: number): LogRow => ({ seq }) as unknown as LogRow;

test("rows are told together, once the first of them has waited, in their order", (t) => {
  t.mock.method(performance, "now", () => nowMs);
  let nowMs = 1000;
  const told: number[][] = [];
  const rows = new ThreadRows((some) => told.push(some.map(({ seq }) => seq)));
  assert.equal(rows.settle(), -1, "nothing to tell");
  rows.add(row(1));
  nowMs += 20;
  rows.add(row(2));
  assert.equal(rows.settle(), 30);
  assert.deepEqual(told, []);
  nowMs += 30;
  assert.equal(rows.settle(), -1);
  assert.deepEqual(told, [[1, 2]]);
  rows.flush();
  assert.deepEqual(told, [[1, 2]], "each once");
});

test("a program that never pauses cannot make them pile up, and what is told next comes after them", () => {
  const told: number[] = [];
  const rows = new ThreadRows((some) => told.push(some.length));
  for (let seq = 1; seq <= 300; seq++) rows.add(row(seq));
  assert.deepEqual(told, [256]);
  rows.flush();
  assert.deepEqual(told, [256, 44]);
});
