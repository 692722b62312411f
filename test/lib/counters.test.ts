// What is counted of a store's work.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { MetricFamily } from "../../lib/metric-family.ts";
import { Histogram } from "../../lib/metric-family.ts";
import { errorCodes } from "../../schema/errors.ts";
import { alice, move, save, withStore } from "./test-store.ts";

function samples(families: readonly MetricFamily[], name: string): Record<string, number> {
  const family = families.find((each) => each.name === name);
  return Object.fromEntries(
    family?.values.map(({ labels, value }) => [Object.values(labels).join(" "), value]) ?? [],
  );
}

test("metrics: writes by operation, status and mode, refusals by code each time, rollbacks", async () => {
  await withStore("strict", ({ worktree, library }) => {
    const { counters } = library.log;
    save(worktree, "content/01-Part/01-Chapter/01-a.md", "a");
    save(worktree, "content/01-Part/01-Chapter/01-a.md", "b", { ...alice, check: "require" });
    move(worktree, "content/01-Part/01-Chapter/01-a.md", "content/01-Part/01-Chapter/02-a.md");
    for (let time = 0; time < 3; time++)
      assert.throws(() => worktree.create(worktree.rootId, "nope.txt", 0o644, alice));
    assert.deepEqual(samples(counters.families(), "pfs_writes_total"), {
      "create ok base none": 1,
      "update ok base require": 1,
      "rename ok base none": 1,
      "create refused base none": 1,
    });
    // Codes that never came are there, too: Prometheus sees only what a series that is there grows by.
    const refusals = samples(counters.families(), "pfs_refusals_total");
    assert.deepEqual(Object.keys(refusals).sort(), Object.keys(errorCodes).sort());
    assert.deepEqual(
      Object.entries(refusals).filter(([, count]) => count !== 0),
      [["SCHEMA_VIOLATION", 3]],
    );
    assert.equal(samples(counters.families(), "pfs_write_duration_seconds")["+Inf"], 4);

    const before = library.store.rollbackCount;
    assert.throws(() =>
      library.store.transaction(() => {
        save(worktree, "content/01-Part/01-Chapter/03-c.md", "c");
        throw new Error("undone");
      }),
    );
    assert.equal(library.store.rollbackCount, before + 1);
    assert.equal(
      samples(counters.families(), "pfs_writes_total")["create ok base none"],
      1,
      "nothing was written",
    );
  });
});

test("metrics: a histogram counts a value in the bucket of its bound, and what is over all of them", () => {
  const histogram = new Histogram("pfs_test", "A test.", [1, 10]);
  for (const value of [0, 1, 1.5, 10, 11]) histogram.observe(value);
  assert.deepEqual(
    histogram.family().values.map(({ metricName, labels, value }) => [metricName, labels.le, value]),
    [
      ["pfs_test_bucket", "1", 2],
      ["pfs_test_bucket", "10", 4],
      ["pfs_test_bucket", "+Inf", 5],
      ["pfs_test_sum", undefined, 23.5],
      ["pfs_test_count", undefined, 5],
    ],
  );
});
