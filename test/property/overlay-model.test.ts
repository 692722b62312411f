// Any operations of a user with delete=hide end as on a plain file system that began with the base; the base stays as it was.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { Library } from "../../lib/library.ts";
import { parseBookId, parseUserId } from "../../schema/ids.ts";
import { builtInProfile } from "../../schema/profiles.ts";
import { isScratchName } from "../../schema/scratch.ts";
import { assertAtRest, assertSound } from "../lib/soundness.ts";
import { KernelModel, snapshotOf } from "./kernel-model.ts";
import { PosixModel } from "./posix-model.ts";
import { allOperations, BEGINNING, type Entry, type Operation } from "./tree-operations.ts";

const ALICE = parseUserId("alice");
const RUNS_PER_STORE = 20;
const digest = (bytes: Uint8Array): string =>
  `${bytes.byteLength} bytes, ${hash("sha256", bytes).slice(0, 12)}`;

/** Scratch is each user's own: the base begins without it. */
function isOfBase(operation: Operation): boolean {
  return !("path" in operation) || !operation.path.split("/").some(isScratchName);
}

function shared(): Operation[] {
  const operations: Operation[] = [];
  let skips = false;
  for (const operation of BEGINNING) {
    if ("path" in operation) skips = !isOfBase(operation);
    if (!skips) operations.push(operation);
  }
  return operations;
}

/** With the times that nobody set left open; the links of directories that are shared with the base are not counted. */
function expected(model: Map<string, Entry>, actual: Map<string, Entry>): Map<string, Entry> {
  return new Map(
    [...model].map(([path, entry]) => {
      const found = actual.get(path);
      const links = entry.type === "directory" && found?.links === 1 ? 1 : entry.links;
      return [path, { ...entry, links, mtime: entry.mtime ?? found?.mtime }];
    }),
  );
}

function assertSameTree(actual: Map<string, Entry>, model: Map<string, Entry>): void {
  assert.deepEqual([...actual].sort(), [...expected(model, actual)].sort());
}

class Rig {
  #directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  #library = Library.open(this.#directory);
  #runs = 0;

  check(operations: readonly Operation[]): void {
    try {
      this.#check(operations);
    } catch (error) {
      // What failed must not make the smaller examples fail that fast-check tries next.
      this.#beginAnew();
      throw error;
    }
  }

  #check(operations: readonly Operation[]): void {
    const bookId = parseBookId(`book-${++this.#runs}`);
    this.#library.createBook(bookId, builtInProfile("any"));
    const base = this.#library.worktree(bookId);
    const writer = new KernelModel(base, digest);
    const model = new PosixModel(digest);
    for (const operation of shared()) assert.equal(writer.run(operation), model.run(operation));
    writer.leave();
    base.settle(0);
    const before = snapshotOf(base, digest);
    const overlay = this.#library.worktree(bookId, ALICE);
    const kernel = new KernelModel(overlay, digest, { hidesBase: true });
    for (const [index, operation] of operations.entries()) {
      const outcome = kernel.run(operation);
      assert.equal(outcome, model.run(operation), `operation ${index}: ${JSON.stringify(operation)}`);
    }
    assertSameTree(kernel.snapshot(), model.snapshot());
    kernel.leave();
    model.closeAll();
    overlay.settle(0);
    assertSameTree(snapshotOf(overlay, digest), model.snapshot());
    assert.deepEqual(snapshotOf(base, digest), before, "R5: a write by a user never changes the base");
    assertSound(this.#library);
    assertAtRest(this.#library);
    if (this.#runs % RUNS_PER_STORE !== 0) return;
    this.#library.close();
    this.#library = Library.open(this.#directory);
    assertSameTree(snapshotOf(this.#library.worktree(bookId, ALICE), digest), model.snapshot());
    assert.deepEqual(snapshotOf(this.#library.worktree(bookId), digest), before, "R5: after a restart, too");
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

test("R5, R6: with delete=hide any operations end as on a plain file system, and the base stays as it was", () => {
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
