// What may go wrong with rows of the log that move into segments: the table lets go of nothing else, whatever is changed in store or
// remote is found, and whatever ends a move or a recall loses nothing.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ROUND_START, type StorePosition, StoreRound } from "../../lib/desync/store-round.ts";
import { readLog } from "../../lib/history.ts";
import { StoreReader } from "../../lib/reader.ts";
import { retain } from "../../lib/retention/move-rows.ts";
import { MovedRows } from "../../lib/retention/moved-rows.ts";
import { moveBook, recallBook } from "../../lib/sync/move-book.ts";
import { withSteps } from "../fault/step-hook.ts";
import { BOOK, BookFixture } from "./book-fixture.ts";
import {
  ALL,
  fill,
  findings,
  moveRows,
  recallRows,
  type Segments,
  withParts,
  withRig,
} from "./retention-fixture.ts";

test("R6: the table lets go of nothing but what a segment has and a later version replaced", () =>
  withRig(async ({ book, segments }) => {
    fill(book);
    const { database } = book.library.store;
    const refused = (sql: string): void => {
      assert.throws(() => database.prepare(sql).run(), { code: "SQLITE_CONSTRAINT_TRIGGER" }, sql);
    };
    refused("DELETE FROM audit_log WHERE seq = 2");
    await moveRows(book.library, segments, { untilSeq: 12 });
    for (const { seq } of book.log()) refused(`DELETE FROM audit_log WHERE seq = ${seq}`);
    refused("UPDATE audit_log SET agent_id = 'mallory'");
    refused("INSERT OR REPLACE INTO audit_log SELECT * FROM audit_log");
    for (const table of ["log_segment", "log_horizon"]) refused(`DELETE FROM ${table}`);
    refused("UPDATE log_segment SET rows = 1");
    refused("UPDATE log_horizon SET moved_seq = 0");
    refused("UPDATE log_horizon SET moved_seq = 13");
    refused("INSERT INTO log_horizon (book_id, moved_seq) VALUES ('other-book', 7)");
    const copy = (changes: string): string =>
      `INSERT INTO log_segment SELECT book_id, number + 1, 13, 15, 3, first_time, last_time,
       (SELECT entry_hash FROM audit_log WHERE seq = 15), sha256, sha256 FROM log_segment`.replace(
        ...(changes.split(" → ") as [string, string]),
      );
    for (const change of ["number + 1 → number + 2", "13, 15, 3 → 14, 15, 2", "13, 15, 3 → 13, 15, 4"])
      refused(copy(change));
    refused(copy("seq = 15 → seq = 14"));
    refused(copy("sha256, sha256 → sha256, previous"));
    // Without the bytes here nothing goes, though a segment is recorded.
    database.prepare("DELETE FROM log_segment_bytes").run();
    database.prepare(copy("x → x")).run();
    database.prepare("UPDATE log_horizon SET moved_seq = 15").run();
    refused(
      "DELETE FROM audit_log WHERE seq IN (SELECT seq FROM audit_log WHERE operation = 'update' AND seq < 15)",
    );
  }));

test("R6: a segment that is changed, missing or taken off the list is found, and its rows are not taken for others' fault", () =>
  withRig(async ({ book, reader, segments }) => {
    fill(book);
    await moveRows(book.library, segments);
    const { database } = book.library.store;
    const [segment] = MovedRows.of(reader.database).segments(BOOK);
    assert.ok(segment !== undefined);
    database.prepare("UPDATE log_segment_bytes SET bytes = zeroblob(40)").run();
    const damaged = await findings(reader);
    assert.equal(damaged.length, 1, damaged.join("\n"));
    assert.match(damaged[0] as string, /^R6 row 1: The segment that has rows 1 to .* is damaged/);
    assert.throws(() => [...readLog(reader, { bookId: BOOK, path: "a.md" })], { code: "CORRUPT" });
    database.prepare("DELETE FROM log_segment_bytes").run();
    assert.match((await findings(reader)).join("\n"), /its bytes are missing/);
    // The remote has it.
    assert.ok((await recallRows(book.library, segments)) > 0);
    assert.deepEqual(await findings(reader), []);
    const isGone = (sql: string): void => {
      database.exec("DROP TRIGGER log_segment_no_delete; DROP TRIGGER audit_log_no_delete");
      database.exec(sql);
    };
    await moveRows(book.library, segments, {}, Date.now() + 8 * 86_400_000);
    assert.deepEqual(await findings(reader), []);
    // The last version that was there at the horizon.
    isGone(
      "DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log WHERE path = 'a.md' AND user_id = '__base__')",
    );
    assert.match((await findings(reader)).join("\n"), /R6 row \d+: Row \d+ of the log, .* is missing/);
    database.exec("DELETE FROM log_segment");
    assert.match((await findings(reader)).join("\n"), /are missing/);
  }));

test("R6: the check in the background goes through segments, too, from any page on, and finds what is wrong with them", () =>
  withRig(async ({ book, reader, segments }) => {
    for (let version = 0; version < 600; version++) book.write("a.md", `${version}`);
    fill(book);
    const round = async (): Promise<string[]> => {
      const found: string[] = [];
      // Each page as by another process.
      for (let at: StorePosition | undefined = ROUND_START; at !== undefined; ) {
        const { value: page } = await new StoreRound(reader).pages(at).next();
        assert.ok(page !== undefined);
        found.push(...page.differences.map(({ kind, message }) => `${kind}: ${message}`));
        at = page.next;
      }
      return found;
    };
    assert.deepEqual(await round(), []);
    await moveRows(book.library, segments);
    assert.deepEqual(await round(), []);
    const { database } = book.library.store;
    const [, second] = MovedRows.of(database).segments(BOOK);
    database.prepare("DELETE FROM log_segment_bytes WHERE sha256 = ?").run(second?.sha256);
    const damaged = await round();
    assert.ok(damaged.length > 0);
    for (const each of damaged) assert.match(each, /^log: The segment that has rows 501 to/);
    await recallRows(book.library, segments);
    assert.deepEqual(await round(), []);
  }));

test("R6: the remote's copy that is missing or changed brings nothing back", () =>
  withRig(async ({ book, segments }) => {
    fill(book);
    await moveRows(book.library, segments);
    book.library.store.database.prepare("DELETE FROM log_segment_bytes").run();
    const [name, bytes] = [...segments][0] as [string, Uint8Array];
    segments.set(name, bytes.toReversed());
    await assert.rejects(recallRows(book.library, segments), { code: "CORRUPT" });
    segments.delete(name);
    await assert.rejects(recallRows(book.library, segments), { code: "NOT_FOUND" });
    segments.set(name, bytes);
    assert.ok((await recallRows(book.library, segments)) > 0);
  }));

test("a remote that gives back something else than it was given gets no row", () =>
  withRig(async ({ book, segments }) => {
    fill(book);
    const rows = book.log();
    const moving = withParts(book.library, segments, (parts) => {
      const blobs = {
        ...parts.blobs,
        putSegment: async (name: string) => void segments.set(name, new Uint8Array(9)),
      };
      return moveBook({ ...parts, blobs }, ALL);
    });
    await assert.rejects(moving, { code: "CORRUPT" });
    assert.deepEqual(book.log(), rows);
    assert.equal(MovedRows.of(book.library.store.database).lastSegment(BOOK), undefined);
  }));

test("SC-002: whatever ends a move or a recall, at any step, nothing is lost, and doing it again ends it", async () => {
  const copies = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    await withRig(async ({ book, segments }) => {
      fill(book);
      const rows = book.log();
      const killed: { readonly what: string; readonly at: string; readonly segments: Segments }[] = [];
      const kill = (what: string): void => {
        const at = join(copies, `${killed.length}`);
        execFileSync("cp", ["-a", book.directory, at]);
        killed.push({ what, at, segments: new Map(segments) });
      };
      const all = async (nowMs?: number, isRecall = false): Promise<void> =>
        await withParts(book.library, segments, async (parts) => {
          const watched = {
            ...parts,
            blobs: {
              putSegment: async (name: string, bytes: Uint8Array) => {
                kill("before it is put");
                await parts.blobs.putSegment(name, bytes);
                kill("after it is put");
              },
              getSegment: async (name: string) => await parts.blobs.getSegment(name),
            },
            retain: async (step: Parameters<typeof retain>[1]) =>
              withSteps(
                (at) => kill(`${step.type} ${at}`),
                () => retain(book.library.store, step),
              ),
          };
          if (isRecall) await recallBook(watched, nowMs);
          else await moveBook(watched, ALL, nowMs);
        });
      await all();
      const left = book.log();
      await all(undefined, true);
      assert.ok(killed.length > 10);
      for (const { what, at, segments: there } of killed) {
        const found = new BookFixture(at, {});
        const reader = StoreReader.openBeside(at);
        try {
          assert.deepEqual([...readLog(reader, { bookId: BOOK })].reverse(), rows, what);
          assert.deepEqual(await findings(reader), [], what);
          await moveRows(found.library, there, {}, Date.now() + 8 * 86_400_000);
          assert.deepEqual(found.log(), left, what);
          await recallRows(found.library, there);
          assert.deepEqual(found.log(), rows, what);
        } finally {
          reader.close();
          found.close();
        }
      }
    });
  } finally {
    rmSync(copies, { recursive: true, force: true });
  }
});
