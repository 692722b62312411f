// The simplest thing that is a shared log, and random appends to hold others against it.

import assert from "node:assert/strict";
import fc from "fast-check";
import type { RemoteLog } from "../../lib/remote/remote-log.ts";
import { EMPTY_HEAD, verifyPage } from "../../lib/remote/shared-chain.ts";
import { BASE, type BookId } from "../../schema/ids.ts";
import type { RowToShare } from "../../schema/shared-row.ts";
import { BOB, readAll, readFiles } from "./log-fixture.ts";
import { hashOf, NEWEST, RowMaker } from "./shared-rows.ts";

interface Change {
  readonly path: string;
  readonly user: string;
  /** null: no file. */
  readonly next: string | null;
  readonly isRefused: boolean;
  /** Begins with what is not there. */
  readonly isStale: boolean;
}

interface Batch {
  readonly changes: readonly Change[];
  /** Sends the rows of the batch before once more with these. */
  readonly repeats: boolean;
}

const change: fc.Arbitrary<Change> = fc.record({
  path: fc.constantFrom("a", "a/b", "a/b/c", "a-b", "a0", "d/e", "d"),
  user: fc.constantFrom<string>(BASE, BOB),
  next: fc.option(fc.constantFrom("1", "2")),
  isRefused: fc.integer({ min: 0, max: 5 }).map((number) => number === 0),
  isStale: fc.integer({ min: 0, max: 11 }).map((number) => number === 0),
});

export const appends: fc.Arbitrary<Batch[]> = fc.array(
  fc.record({ changes: fc.array(change, { minLength: 1, maxLength: 6 }), repeats: fc.boolean() }),
  { minLength: 1, maxLength: 8 },
);

/** Files by layer and path. */
type Files = ReadonlyMap<string, string>;

/** The files after a batch, or the index of the row that does not fit. */
function applyTo(files: Files, rows: readonly RowToShare[]): Files | number {
  const after = new Map(files);
  for (const [index, { status, user_id, path, prev_hash, new_hash }] of rows.entries()) {
    if (status === "refused") continue;
    const key = `${user_id}/${path}`;
    const isInTheWay = [...after.keys()].some(
      (other) => other.startsWith(`${key}/`) || key.startsWith(`${other}/`),
    );
    if ((after.get(key) ?? null) !== prev_hash || (new_hash !== null && isInTheWay)) return index;
    if (new_hash === null) after.delete(key);
    else after.set(key, new_hash);
  }
  return after;
}

/** Appends the batches to an empty book, and asserts that each does what it should. */
export async function checkAgainstModel(
  log: RemoteLog,
  bookId: BookId,
  batches: readonly Batch[],
): Promise<void> {
  const maker = new RowMaker(bookId);
  const expected: RowToShare[] = [];
  let files: Files = new Map();
  let before: RowToShare[] = [];
  for (const { changes, repeats } of batches) {
    const present = new Map(files);
    const rows = changes.map(({ path, user, next, isRefused, isStale }) => {
      const key = `${user}/${path}`;
      const hash = isStale ? hashOf("stale") : (present.get(key) ?? null);
      const new_hash = next === null ? null : hashOf(next);
      if (!isRefused && new_hash !== null) present.set(key, new_hash);
      else if (!isRefused) present.delete(key);
      const parts = { path, user_id: user, prev_hash: hash, new_hash, book_id: bookId } as const;
      return maker.row(isRefused ? { ...parts, new_hash: hash, status: "refused" } : parts);
    });
    const appended = await log.append(bookId, repeats ? [...before, ...rows] : rows, NEWEST);
    const after = applyTo(files, rows);
    if (typeof after === "number") {
      assert.ok(appended.type === "moved");
      const index = after + (repeats ? before.length : 0);
      assert.equal(appended.index, index);
      continue;
    }
    assert.ok(appended.type === "appended");
    const first = expected.length - (repeats ? before.length : 0) + 1;
    assert.deepEqual(
      appended.seqs,
      appended.seqs.map((_, index) => first + index),
    );
    assert.equal(appended.head.seq, expected.length + rows.length);
    expected.push(...rows);
    files = after;
    before = rows;
  }
  const found = await readFiles(log, bookId);
  assert.deepEqual(
    found.map(({ userId, path, hash }) => `${userId}/${path} ${hash}`).sort(),
    [...files].map(([key, hash]) => `${key} ${hash}`).sort(),
  );
  const rows = await readAll(log, bookId);
  verifyPage(EMPTY_HEAD, rows);
  assert.deepEqual(
    rows.map(({ origin_seq }) => origin_seq),
    expected.map(({ origin_seq }) => origin_seq),
  );
  const last = new Map<string, string | null>();
  for (const { user_id, path, prev_hash, new_hash } of rows) {
    assert.equal(prev_hash, last.get(`${user_id}/${path}`) ?? null);
    last.set(`${user_id}/${path}`, new_hash);
  }
}
