// When the check in the background begins, of a store of which nothing is wrong: not while there is other work, unless it was asked for;
// and again where it could not; and what a damaged memory of earlier checks does to it: nothing.

import assert from "node:assert/strict";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type CheckedPart, DesyncChecks } from "../../daemon/desync-checks.ts";
import { withStore } from "../lib/test-store.ts";
import { eventually } from "./harness.ts";

test("a check that is due waits while a book is pushed or pulled; one that was asked for does not", () =>
  withStore("any", async ({ reader }) => {
    let isBusy = true;
    let looks = 0;
    const checks = new DesyncChecks({
      reader,
      intervalMs: () => 50,
      isBusy: () => {
        looks++;
        return isBusy;
      },
      onDifference: assert.fail,
      onFault: assert.fail,
    });
    const store = (): CheckedPart => checks.status().parts[0] as CheckedPart;
    try {
      checks.schedule();
      await eventually("it has been looked three times", () => looks >= 3);
      assert.deepEqual([store().is_running, store().checked_at], [false, null]);
      checks.soon("store");
      await eventually("what was asked for is done", () => store().checked_at !== null);
      const { checked_at: first } = store();
      const before = looks;
      await eventually("the next one waits again", () => looks >= before + 3);
      assert.equal(store().checked_at, first);
      isBusy = false;
      await eventually("it is done at last", () => store().checked_at !== first);
    } finally {
      await checks.close();
    }
  }));

test("a check whose thread cannot be started is a problem, no failure of the daemon, and is tried again", () =>
  withStore("any", async ({ reader }) => {
    let canStart = true;
    const checks = new DesyncChecks({
      reader: {
        // What a thread is started with is asked for at each start.
        get directory(): string {
          if (canStart) return reader.directory;
          throw new Error("There are too many threads.");
        },
        database: reader.database,
      } as typeof reader,
      intervalMs: () => 50,
      isBusy: () => false,
      onDifference: assert.fail,
      onFault: assert.fail,
    });
    const store = (): CheckedPart => checks.status().parts[0] as CheckedPart;
    try {
      canStart = false;
      checks.schedule();
      await eventually("it is told", () => store().problem === "There are too many threads.");
      canStart = true;
      await eventually("it is done", () => store().checked_at !== null && store().problem === null);
    } finally {
      await checks.close();
    }
  }));

test("a checks.json that is damaged, or tells a time that no calendar has, is as none: status and check go on", () =>
  withStore("any", async ({ reader }) => {
    const store = (notes: object): string => JSON.stringify({ "store:": { differences: [], ...notes } });
    const log = { step: "log", seq: -1, entryHash: "" };
    const damaged = [
      "",
      "[",
      "[]",
      ...[1e300, -1, 0.5, "0"].map((checkedMs) => store({ checkedMs })),
      store({ round: { position: log, differences: [] } }),
      store({ rehashAfter: 1 }),
    ];
    for (const notes of damaged) {
      writeFileSync(join(reader.directory, "checks.json"), notes);
      const checks = new DesyncChecks({
        reader,
        intervalMs: () => undefined,
        isBusy: () => false,
        onDifference: assert.fail,
        onFault: assert.fail,
      });
      const part = (): CheckedPart => checks.status().parts[0] as CheckedPart;
      try {
        assert.deepEqual(
          [part().checked_at, part().problem, checks.families().length],
          [null, null, 2],
          notes,
        );
        checks.soon("store");
        await eventually("it is checked", () => part().checked_at !== null);
      } finally {
        await checks.close();
      }
    }
  }));

test("R2: of a database that does not say which books are shared the store is checked all the same", () =>
  withStore("any", async ({ reader }) => {
    const faults: string[] = [];
    const checks = new DesyncChecks({
      reader: {
        directory: reader.directory,
        get database(): never {
          throw new Error("database disk image is malformed");
        },
      } as unknown as typeof reader,
      intervalMs: () => 50,
      isBusy: () => false,
      onDifference: assert.fail,
      onFault: (message) => faults.push(message),
    });
    try {
      checks.schedule();
      const notes = join(reader.directory, "checks.json");
      await eventually(
        "the store was checked",
        () => existsSync(notes) && /"checkedMs"/.test(readFileSync(notes, "utf8")),
      );
      assert.match(faults[0] ?? "", /database disk image is malformed/);
    } finally {
      await checks.close();
    }
  }));
