// What a process killed at any step of a write leaves: a copy of the store's files as they are at that step is opened.
// All of the operation is there or nothing of it, everything acknowledged before is, and nothing is left over (SC-002, R2).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { BookFixture, layerOf, withBook } from "../lib/book-fixture.ts";
import { assertAtRest, assertSound } from "../lib/soundness.ts";
import { snapshotOf } from "../property/kernel-model.ts";
import { layerScenarios, type Scenario, scenarios, USER } from "./scenarios.ts";
import { withSteps } from "./step-hook.ts";

const digest = (bytes: Uint8Array): string => hash("sha256", bytes).slice(0, 12);

function treeOf(worktree: Worktree): unknown {
  const tree = [...snapshotOf(worktree, digest)].map(([path, entry]) =>
    entry.type === "directory" ? [path, { ...entry, mtime: undefined }] : [path, entry],
  );
  return tree.sort();
}

/** What a daemon that starts on these files finds, in the base and in a user's overlay. */
function afterRestart(directory: string): unknown {
  const book = new BookFixture(directory, {});
  try {
    assertSound(book.library);
    assertAtRest(book.library);
    const trees = [book, layerOf(book, USER)].map(({ worktree }) => treeOf(worktree));
    const { conflicts } = book.worktree;
    const kept = [...conflicts.ids(0)].map((id) => conflicts.get(id)?.mine);
    for (const hash of kept) assert.ok(hash !== undefined && book.library.blobs.has(hash), "W2");
    return { trees, story: book.story(), kept };
  } finally {
    book.close();
  }
}

function killEverywhere(scenario: Scenario, t: TestContext): void {
  const copies = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    withBook((book) => {
      const copy = (name: string | number): string => {
        const at = join(copies, `${name}`);
        // Not cpSync, which rounds times to milliseconds.
        execFileSync("cp", ["-a", book.directory, at]);
        return at;
      };
      const { act, end } = scenario(book);
      const before = afterRestart(copy("before"));
      const killed: { step: string; at: string }[] = [];
      withSteps((step, index) => killed.push({ step, at: copy(index) }), act);
      const after = afterRestart(copy("after"));
      end?.();
      let isDone = false;
      for (const { step, at } of killed) {
        const found = afterRestart(at);
        isDone ||= step === "transaction.committed";
        t.diagnostic(`${step}: ${isDone ? "done" : "as before"}`);
        assert.deepEqual(found, isDone ? after : before, `killed at ${step}`);
      }
    });
  } finally {
    rmSync(copies, { recursive: true });
  }
}

for (const [name, scenario] of Object.entries({ ...scenarios, ...layerScenarios })) {
  test(`SC-002: ${name}, killed at any step, is wholly there or not at all`, (t) =>
    killEverywhere(scenario, t));
}
