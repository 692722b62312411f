// Old rows of the log in segments on a real S3, of a book whose log is in a real PostgreSQL: they are moved once they are shared,
// others go on as if nothing were, and a segment that S3 has lost is found and sent again.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readLog } from "../../lib/history.ts";
import { retain } from "../../lib/retention/move-rows.ts";
import { MovedRows } from "../../lib/retention/moved-rows.ts";
import { moveBook, type RetentionParts, recallBook, segmentName } from "../../lib/sync/move-book.ts";
import { repairRemote } from "../../lib/sync/repair-remote.ts";
import { verifyRemote } from "../../lib/sync/verify-remote.ts";
import { verifyStore } from "../../lib/verify.ts";
import { BOOK } from "../lib/book-fixture.ts";
import { ALL } from "../lib/retention-fixture.ts";
import { Production } from "./production.ts";
import type { SharedMachine } from "./shared-machine.ts";

const production = new Production();

function withRetention<Result>(
  machine: SharedMachine,
  use: (parts: RetentionParts) => Promise<Result>,
): Promise<Result> {
  return machine.withParts(({ bookId, storeId, reader }) => {
    const { library, remoteBlobs: blobs } = machine;
    return use({ bookId, storeId, reader, blobs, retain: async (step) => retain(library.store, step) });
  });
}

test("R6: rows move to S3 once PostgreSQL has them, two machines go on, and what S3 loses is found and mended", () =>
  production.withPair(async (a, b) => {
    for (let version = 1; version <= 6; version++) a.save("part/a.md", `a ${version}`);
    assert.equal((await withRetention(a, (parts) => moveBook(parts, ALL))).rows, 0, "nothing is shared yet");
    await a.sync();
    await b.sync();
    for (let version = 1; version <= 6; version++) b.save("part/a.md", `b ${version}`);
    b.save("b.md", "bee");
    await b.sync();
    await a.sync();
    for (const machine of [a, b]) {
      const rows = (parts: RetentionParts): unknown => [...readLog(parts.reader, { bookId: BOOK })];
      const before = await withRetention(machine, async (parts) => rows(parts));
      const { removed } = await withRetention(machine, (parts) => moveBook(parts, ALL));
      assert.ok(removed > 3, `${removed}`);
      assert.deepEqual(await withRetention(machine, async (parts) => rows(parts)), before);
    }
    // Both work on, and what one does comes to the other.
    a.save("part/a.md", "after");
    await a.sync();
    await b.sync();
    await b.fetchAll();
    assert.equal(b.text("part/a.md"), "after");
    b.rename("part/a.md", "moved.md");
    b.settle();
    await b.sync();
    await a.sync();
    assert.equal(a.text("moved.md"), "after");
    for (const machine of [a, b])
      await machine.withParts(async (parts) => {
        assert.deepEqual(await verifyStore(parts.reader), []);
        assert.deepEqual((await verifyRemote(parts)).findings, []);
      });

    await a.withParts(async (parts) => {
      const [segment] = MovedRows.of(parts.reader.database).segments(BOOK);
      assert.ok(segment !== undefined);
      await a.remoteBlobs.putSegment(segmentName(segment, parts.storeId), Buffer.from("something else"));
      const { findings } = await verifyRemote(parts);
      assert.match(findings.map(({ message }) => message).join(), /^The remote has damaged rows 1 to/);
      assert.deepEqual((await repairRemote(parts)).left, []);
    });
    for (const machine of [a, b]) await withRetention(machine, (parts) => recallBook(parts));
  }));
