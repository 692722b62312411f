// Handle numbers: dense and reused, so that a book with 1,000 open files costs 1,000 slots.

import assert from "node:assert/strict";
import { test } from "node:test";
import { HandleTable } from "../../mount/handles.ts";
import { PosixError } from "../../schema/errors.ts";

test("handles are dense, found by number, and reused", () => {
  const table = new HandleTable<{ name: string }>();
  const numbers = ["a", "b", "c"].map((name) => table.add({ name }));
  assert.deepEqual(numbers, [0, 1, 2]);
  assert.deepEqual(table.remove(1), { name: "b" });
  assert.equal(table.add({ name: "d" }), 1);
  assert.deepEqual(
    [...table.values()].map(({ name }) => name),
    ["a", "d", "c"],
  );
  assert.equal(table.count, 3);
});

test("a number that stands for nothing is EBADF, and removing it is nothing", () => {
  const table = new HandleTable<object>();
  const fh = table.add({});
  table.remove(fh);
  assert.throws(
    () => table.get(fh),
    (error) => error instanceof PosixError && error.code === "EBADF",
  );
  assert.throws(() => table.get(99), PosixError);
  assert.equal(table.remove(fh), undefined);
  assert.equal(table.count, 0);
});
