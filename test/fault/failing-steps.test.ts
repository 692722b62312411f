// A failure at any step of a write: the operation fails, nothing of it stays, the same operation then succeeds (FR-002,
// SC-002). Once the transaction is committed nothing makes the operation fail any more.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { type TestContext, test } from "node:test";
import { steps } from "../../lib/step.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { type BookFixture, contentOf, withBook } from "../lib/book-fixture.ts";
import { assertAtRest, assertSound } from "../lib/soundness.ts";
import { snapshotOf } from "../property/kernel-model.ts";
import { layerScenarios, type Scenario, scenarios } from "./scenarios.ts";
import { stepsOf, withSteps } from "./step-hook.ts";

class Injected extends Error {}

const digest = (bytes: Uint8Array): string => hash("sha256", bytes).slice(0, 12);

/** All that can be seen of a book through names: the tree, and what everyone who has a file open reads. */
function visible({ library }: BookFixture, withTimes: boolean): unknown {
  const layers = library.openWorktrees().map((worktree) => visibleIn(worktree, withTimes));
  return { layers, seq: library.log.seq };
}

function visibleIn(worktree: Worktree, withTimes: boolean): unknown {
  const tree = [...snapshotOf(worktree, digest)].map(([path, entry]) =>
    withTimes && entry.type !== "directory" ? [path, entry] : [path, { ...entry, mtime: undefined }],
  );
  const open = [...worktree.tree.openFiles.values()].map((file) => [
    file.path(),
    file.state,
    digest(contentOf(file)),
  ]);
  return { tree: tree.sort(), open: open.sort(), orphans: worktree.tree.orphans.size };
}

/** Counts what became a warning, as a failure after the commit does. */
function countWarnings(t: TestContext): () => number {
  const mock = t.mock.method(process, "emitWarning", () => {});
  return () => mock.mock.callCount();
}

function failAt(scenario: Scenario, index: number, wanted: unknown, warnings: () => number): void {
  withBook((book) => {
    const { act, end } = scenario(book);
    const before = visible(book, true);
    const warned = warnings();
    let failed = false;
    try {
      withSteps((_, at) => {
        if (at === index) throw new Injected();
      }, act);
    } catch (error) {
      assert.ok(error instanceof Injected, `${error}`);
      failed = true;
    }
    if (failed) {
      assert.deepEqual(visible(book, true), before, "as before");
      assertSound(book.library);
      act();
    } else {
      assert.equal(warnings(), warned + 1, "a failure after the commit is a warning");
    }
    assert.deepEqual(visible(book, false), wanted, "as if it had never failed");
    end?.();
    assertAtRest(book.library);
    book.reopen();
    assertSound(book.library);
  });
}

const passedByAny = new Set<string>();

for (const [name, scenario] of Object.entries({ ...scenarios, ...layerScenarios })) {
  test(`SC-002, FR-002: ${name} that fails at any step leaves nothing, and succeeds when tried again`, (t) => {
    const warnings = countWarnings(t);
    let wanted: unknown;
    let passed: string[] = [];
    withBook((book) => {
      const { act, end } = scenario(book);
      passed = stepsOf(act);
      wanted = visible(book, false);
      end?.();
    });
    assert.ok(passed.length >= 2, "there are steps to fail at");
    for (const step of passed) passedByAny.add(step);
    for (const index of passed.keys()) {
      t.diagnostic(`${index}: ${passed[index]}`);
      failAt(scenario, index, wanted, warnings);
    }
  });
}

test("every named step is passed by one of these operations", () => {
  assert.deepEqual([...passedByAny].sort(), [...steps].sort());
});
