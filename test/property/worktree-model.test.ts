// Any operations on a worktree end as on a plain file system in memory; and what the store says of them holds.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Library } from "../../lib/library.ts";
import type { Worktree } from "../../lib/worktree/worktree.ts";
import { parseBookId } from "../../schema/ids.ts";
import { builtInProfile } from "../../schema/profiles.ts";
import { withSteps } from "../fault/step-hook.ts";
import { assertAtRest, assertSound } from "../lib/soundness.ts";
import { KernelModel, snapshotOf } from "./kernel-model.ts";
import { PosixModel } from "./posix-model.ts";
import {
  allOperation,
  allOperations,
  BEGINNING,
  type Entry,
  OPERATIONS,
  type Operation,
} from "./tree-operations.ts";

const RUNS_PER_STORE = 20;
const digest = (bytes: Uint8Array): string =>
  `${bytes.byteLength} bytes, ${hash("sha256", bytes).slice(0, 12)}`;

/** What is expected, with the times that nobody set left open. */
function expected(model: Map<string, Entry>, actual: Map<string, Entry>): Map<string, Entry> {
  return new Map(
    [...model].map(([path, entry]) => [path, { ...entry, mtime: entry.mtime ?? actual.get(path)?.mtime }]),
  );
}

function assertSameTree(actual: Map<string, Entry>, model: Map<string, Entry>): void {
  assert.deepEqual([...actual].sort(), [...expected(model, actual)].sort());
}

const FAILED = "failed";

class Injected extends Error {}

/** Runs what may fail at one of its steps. A close that fails has closed all the same, as its release saves again. */
function runFailing(kernel: KernelModel, operation: Operation, failAt: number): string {
  try {
    return withSteps(
      (_, index) => {
        if (index === failAt) throw new Injected();
      },
      () => kernel.run(operation),
    );
  } catch (error) {
    if (!(error instanceof Injected)) throw error;
    return operation.do === "close" ? "ok" : FAILED;
  }
}

/** Whether it also closes what was open in its slot: two operations in one, of which one may fail. */
function takesSlot(operation: Operation, kernel: KernelModel): boolean {
  return (operation.do === "create" || operation.do === "open") && kernel.isOpen(operation.slot);
}

class Rig {
  #directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  #library = Library.open(this.#directory);
  #runs = 0;

  /** `failures` says at which of its steps the operation of that index fails. */
  check(operations: readonly Operation[], failures: readonly (number | undefined)[] = []): void {
    try {
      this.#check(operations, failures);
    } catch (error) {
      // What failed must not make the smaller examples fail that fast-check tries next.
      this.#beginAnew();
      throw error;
    }
  }

  #check(operations: readonly Operation[], failures: readonly (number | undefined)[]): void {
    const bookId = parseBookId(`book-${++this.#runs}`);
    this.#library.createBook(bookId, builtInProfile("any"));
    const worktree = this.#library.worktree(bookId);
    const kernel = new KernelModel(worktree, digest);
    const model = new PosixModel(digest);
    for (const operation of BEGINNING) assert.equal(kernel.run(operation), model.run(operation));
    for (const [index, operation] of operations.entries()) {
      const failAt = takesSlot(operation, kernel) ? undefined : failures[index];
      const outcome = failAt === undefined ? kernel.run(operation) : runFailing(kernel, operation, failAt);
      if (outcome === FAILED) continue;
      assert.equal(outcome, model.run(operation), `operation ${index}: ${JSON.stringify(operation)}`);
    }
    assertSameTree(kernel.snapshot(), model.snapshot());
    kernel.leave();
    model.closeAll();
    const ids = idsOf(kernel.snapshot().keys(), worktree);
    assertSameTree(kernel.snapshot(), model.snapshot());
    assertSound(this.#library);
    assertAtRest(this.#library);
    if (this.#runs % RUNS_PER_STORE !== 0) return;
    this.#library.close();
    this.#library = Library.open(this.#directory);
    const reopened = this.#library.worktree(bookId);
    assertSameTree(snapshotOf(reopened, digest), model.snapshot());
    assert.deepEqual(idsOf(ids.keys(), reopened), ids, "I1: file ids stay through a restart");
    assertSound(this.#library);
    this.#beginAnew();
  }

  #beginAnew(): void {
    this.remove();
    this.#directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
    this.#library = Library.open(this.#directory);
  }

  remove(): void {
    this.#library.close();
    rmSync(this.#directory, { recursive: true });
  }
}

function idsOf(paths: Iterable<string>, worktree: Worktree): Map<string, number | undefined> {
  const ids = new Map<string, number | undefined>();
  for (const path of paths) {
    let node = worktree.get(worktree.rootId);
    for (const name of path.split("/"))
      node = node === undefined ? undefined : worktree.lookup(node.fileId, name);
    ids.set(path, node?.fileId);
  }
  return ids;
}

test("R2, R6, I1: any operations end as on a plain file system, and the store is sound", () => {
  const rig = new Rig();
  try {
    fc.assert(
      fc.property(allOperations, (operations) => rig.check(operations)),
      { numRuns: 100 },
    );
  } finally {
    rig.remove();
  }
});

test("FR-002, SC-002: any operations of which any fail at any step end as if those had not been tried", (t) => {
  t.mock.method(process, "emitWarning", () => {});
  const rig = new Rig();
  const failAt = fc.option(fc.nat(7), { nil: undefined });
  const failing = fc.array(fc.tuple(allOperation, failAt), OPERATIONS);
  try {
    fc.assert(
      fc.property(failing, (steps) =>
        rig.check(
          steps.map(([operation]) => operation),
          steps.map(([, at]) => at),
        ),
      ),
      { numRuns: 100 },
    );
  } finally {
    rig.remove();
  }
});
