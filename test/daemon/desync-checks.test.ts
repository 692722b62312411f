// When the check in the background begins, of a store of which nothing is wrong: not while there is other work, unless it was asked for;
// and again where it could not.

import assert from "node:assert/strict";
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
