// Pages of what comes one by one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { pagesOf } from "../../lib/remote/pages.ts";

async function* numbersTo(count: number): AsyncGenerator<number> {
  for (let number = 0; number < count; number++) yield number;
}

test("pages have a thousand items, the last one the rest, and none is empty", async () => {
  for (const [count, sizes] of [
    [0, []],
    [1, [1]],
    [1000, [1000]],
    [2001, [1000, 1000, 1]],
  ] as const) {
    const pages = await Array.fromAsync(pagesOf(numbersTo(count)));
    assert.deepEqual(
      pages.map(({ length }) => length),
      sizes,
    );
    assert.deepEqual(pages.flat(), await Array.fromAsync(numbersTo(count)));
  }
});
