// What a daemon moves of old rows, and when: by the configuration's time, never past what a mount looks at, and told once where it
// could not be. The clock is given to it.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { RetentionKeeper, type RetentionKeeperOptions } from "../../daemon/retention-keeper.ts";
import { StoreReader } from "../../lib/reader.ts";
import type { MoveLimits } from "../../lib/retention/movable.ts";
import { parseBookId, type Seq } from "../../schema/ids.ts";
import { parseRetention, type Retention, retentionText } from "../../schema/retention.ts";
import { BOOK, BookFixture } from "../lib/book-fixture.ts";
import { shareAll } from "../lib/retention-fixture.ts";

const NOW = Date.parse("2026-06-30T12:00:00.000Z");

interface Rig {
  readonly keeper: RetentionKeeper;
  readonly asked: MoveLimits[];
  readonly faults: string[];
  retention: Retention;
  failure: Error | undefined;
  mounts: ReturnType<RetentionKeeperOptions["mounts"]["list"]>;
}

async function withKeeper(use: (rig: Rig) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const book = new BookFixture(directory, {});
  const reader = StoreReader.openBeside(directory);
  try {
    book.write("a.md", "one");
    shareAll(book.library);
    const asked: MoveLimits[] = [];
    const sync = {
      moveOldRows: async (limits: MoveLimits) => {
        asked.push(limits);
        if (rig.failure !== undefined) throw rig.failure;
        return { segments: 0, rows: 0, removed: 0 };
      },
      recallRows: async () => 7,
    };
    const faults: string[] = [];
    const keeper = new RetentionKeeper({
      reader,
      syncer: { book: () => ({ sync }) } as unknown as RetentionKeeperOptions["syncer"],
      mounts: { list: () => rig.mounts },
      retention: () => rig.retention,
      onFault: (message) => faults.push(message),
    });
    const rig: Rig = {
      keeper,
      asked,
      faults,
      retention: parseRetention("90d"),
      failure: undefined,
      mounts: [],
    };
    try {
      await use(rig);
    } finally {
      await keeper.close();
    }
  } finally {
    reader.close();
    book.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

test("rows older than the retention are asked for, a segment that is not full a week later, and nothing where it is forever", () =>
  withKeeper(async (rig) => {
    await rig.keeper.keep(NOW);
    const before = "2026-04-01T12:00:00.000Z";
    const smallBefore = "2026-03-25T12:00:00.000Z";
    assert.deepEqual(rig.asked, [{ before, smallBefore, untilSeq: undefined }]);
    assert.deepEqual(rig.keeper.status(), { keep: "90d", problem: null });
    rig.retention = "forever";
    await rig.keeper.keep(NOW);
    assert.equal(rig.asked.length, 1);
    assert.deepEqual(rig.keeper.status(), { keep: "forever", problem: null });
  }));

test("rows that at= mounts of the book look at stay", () =>
  withKeeper(async (rig) => {
    const other = parseBookId("other-book");
    rig.mounts = [
      { book: BOOK, position: 40 as Seq },
      { book: BOOK, position: 30 as Seq },
      { book: BOOK, position: null },
      { book: other, position: 3 as Seq },
    ];
    await rig.keeper.move(BOOK, "2026-01-01T00:00:00.000Z");
    assert.deepEqual(
      rig.asked.map(({ untilSeq, before, smallBefore }) => [untilSeq, before === smallBefore]),
      [[30, true]],
    );
    assert.equal(await rig.keeper.recall(BOOK), 7);
  }));

test("why old rows stay is told once, and no more when they could move", () =>
  withKeeper(async (rig) => {
    rig.failure = new Error("The remote does not answer.");
    await rig.keeper.keep(NOW);
    await rig.keeper.keep(NOW);
    const problem = `Old rows of the log of ${BOOK} stay for now. The remote does not answer.`;
    assert.deepEqual(rig.faults, [problem]);
    assert.equal(rig.keeper.status().problem, problem);
    rig.failure = undefined;
    await rig.keeper.keep(NOW);
    assert.equal(rig.keeper.status().problem, null);
  }));

test("a daemon that stops moves nothing more", () =>
  withKeeper(async (rig) => {
    await rig.keeper.close();
    await rig.keeper.keep(NOW);
    await assert.rejects(rig.keeper.move(BOOK, "2026-01-01T00:00:00.000Z"), /stopping/);
    assert.deepEqual([rig.asked, rig.faults], [[], []]);
  }));

test("retention is days or forever, and nothing else", () => {
  for (const text of ["1d", "90d", "99999d", "forever"])
    assert.equal(retentionText(parseRetention(text)), text);
  for (const text of ["", "0d", "90", "90 d", "-1d", "12h", "always", "100000d", "090d"])
    assert.throws(() => parseRetention(text), { code: "USAGE" });
});
