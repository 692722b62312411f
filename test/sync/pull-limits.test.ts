// How much of a shared log a pull holds at once, whatever the remote makes of it.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { RemoteBlobs } from "../../lib/remote/remote-blobs.ts";
import type { RemoteLog } from "../../lib/remote/remote-log.ts";
import { pull, pulledHeadOf } from "../../lib/sync/pull.ts";
import type { SyncParts } from "../../lib/sync/sync-parts.ts";
import { PfsError } from "../../schema/errors.ts";
import type { SharedRow } from "../../schema/shared-row.ts";
import { BOOK } from "../lib/book-fixture.ts";
import { hashOf, RowMaker } from "../remote/shared-rows.ts";
import { SharedMachine } from "./shared-machine.ts";

const MESSAGE = "x".repeat(16_384);
const PAGE_ROWS = 200;
const MAX_CHARS = 64 * 2 ** 20;

/** Of one transaction, as it says. */
function rowsFrom(after: number, count: number): SharedRow[] {
  const maker = new RowMaker("mallory");
  return Array.from({ length: count }, (_, index) => ({
    ...maker.row({ path: "a.md", book_id: BOOK, status: "refused", error_message: MESSAGE }),
    ...{ seq: after + index + 1, origin_seq: after + index + 1, entry_hash: hashOf("any") },
  }));
}

/** What a machine works with whose remote has so many rows like that. */
async function withLog(lastSeq: number, use: (parts: SyncParts) => Promise<void>): Promise<void> {
  const log = {
    createBook: async () => undefined,
    rowsAfter: async (_: unknown, after: number, limit: number) =>
      rowsFrom(after, Math.min(limit, lastSeq - after)),
  } as unknown as RemoteLog;
  const machine = await SharedMachine.make("alice", log, {} as RemoteBlobs);
  try {
    await machine.withParts((parts) => use({ ...parts, pageRows: PAGE_ROWS }));
  } finally {
    machine.take();
  }
}

test("a page that a hostile remote never lets end is cut where it has 64 Mi characters", () =>
  withLog(9000, async (parts) => {
    const pages: number[] = [];
    const owner: SyncParts["owner"] = {
      ...parts.owner,
      followRemote: async (bookId, page) => {
        pages.push(page.rows.length);
        return await parts.owner.followRemote(bookId, page);
      },
    };
    await pull({ ...parts, owner });
    assert.equal(pulledHeadOf(parts).seq, 9000, "all rows are seen");
    for (const rows of pages) assert.ok((rows - PAGE_ROWS) * MESSAGE.length < MAX_CHARS, `${pages}`);
    assert.ok(pages.length >= 3, `${pages}`);
  }));

test("rows that a page is to go on to are read up to 64 Mi characters, and no further", () =>
  withLog(Number.MAX_SAFE_INTEGER, async (parts) => {
    let asked = 0;
    const owner: SyncParts["owner"] = {
      ...parts.owner,
      followRemote: async () => ({ type: "incomplete", until: 2 ** 40 }),
    };
    const log: SyncParts["log"] = {
      ...parts.log,
      rowsAfter: async (bookId, after, limit) => {
        asked += limit;
        return await parts.log.rowsAfter(bookId, after, limit);
      },
    };
    await assert.rejects(pull({ ...parts, owner, log }), (error) => {
      assert.ok(error instanceof PfsError && error.code === "STORE_DAMAGED", String(error));
      assert.match(error.message, /is more than any store has appended/);
      return true;
    });
    assert.ok((asked - 4 * PAGE_ROWS) * MESSAGE.length < 2 * MAX_CHARS, `${asked} rows`);
  }));
