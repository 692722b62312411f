// What a process killed at any step of a write leaves: a copy of the store's files as they are at that step is opened.
// All of the operation is there or nothing of it, everything acknowledged before is, and nothing is left over (SC-002, R2).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { BookFixture, withBook } from "../lib/book-fixture.ts";
import { assertAtRest, assertSound } from "../lib/soundness.ts";
import { snapshotOf } from "../property/kernel-model.ts";
import { type Scenario, scenarios } from "./scenarios.ts";
import { withSteps } from "./step-hook.ts";

const digest = (bytes: Uint8Array): string => hash("sha256", bytes).slice(0, 12);

/** What a daemon that starts on these files finds. */
function afterRestart(directory: string): unknown {
  const book = new BookFixture(directory, {});
  try {
    assertSound(book.library);
    assertAtRest(book.library);
    const tree = [...snapshotOf(book.worktree, digest)].map(([path, entry]) =>
      entry.type === "directory" ? [path, { ...entry, mtime: undefined }] : [path, entry],
    );
    return { tree: tree.sort(), story: book.story() };
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

for (const [name, scenario] of Object.entries(scenarios)) {
  test(`SC-002: ${name}, killed at any step, is wholly there or not at all`, (t) =>
    killEverywhere(scenario, t));
}
