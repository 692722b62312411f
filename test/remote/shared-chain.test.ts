// What of an answer of a shared log is looked at, before anything is believed of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { chain, EMPTY_HEAD, parsePage } from "../../lib/remote/shared-chain.ts";
import type { RowToShare, SharedRow } from "../../schema/shared-row.ts";
import { isError } from "./log-fixture.ts";
import { BOOK, RowMaker } from "./shared-rows.ts";

function chained(count: number, parts: Partial<RowToShare> = {}): SharedRow[] {
  const maker = new RowMaker("a");
  const rows: SharedRow[] = [];
  for (let head = EMPTY_HEAD; rows.length < count; ) {
    const row = chain(head, maker.change(`${rows.length}.md`, null, "1", parts));
    head = { seq: row.seq, entryHash: row.entry_hash };
    rows.push(row);
  }
  return rows;
}

test("no more rows are taken than were asked for", () => {
  const rows = chained(4);
  assert.deepEqual(parsePage(BOOK, { after: 0, limit: 4 }, rows), rows);
  assert.deepEqual(parsePage(BOOK, { after: 1, limit: 3 }, rows), rows.slice(1));
  const more = isError("STORE_DAMAGED", /more rows than it was asked for/);
  assert.throws(() => parsePage(BOOK, { after: 0, limit: 3 }, rows), more);
  assert.throws(() => parsePage(BOOK, { after: 1, limit: 2 }, rows), more);
});

test("rows are taken one by one, and none behind one that is wrong", () => {
  let taken = 0;
  const endless = function* () {
    for (const row of chained(2)) {
      taken++;
      yield row;
    }
    for (;;) {
      taken++;
      yield { seq: 3 };
    }
  };
  assert.throws(
    () => parsePage(BOOK, { after: 0, limit: 1000 }, endless()),
    isError("STORE_DAMAGED", /row 3 is none/),
  );
  assert.equal(taken, 3);
});

test("a message of a row is as long as those that pfs writes at the most", () => {
  const page = (length: number) =>
    parsePage(BOOK, { after: 0, limit: 1 }, chained(1, { error_message: "x".repeat(length) }));
  assert.equal(page(16_384).length, 1);
  assert.throws(() => page(16_385), isError("STORE_DAMAGED", /row 1 is none: error_message/));
});
