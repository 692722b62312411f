// Any operations on a worktree and on a directory of this machine's file system end with the same tree and bytes.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { withBook } from "../lib/book-fixture.ts";
import { assertAtRest, assertSound } from "../lib/soundness.ts";
import { KernelModel } from "./kernel-model.ts";
import { LEFT_OUT, RealDirectory } from "./real-directory.ts";
import { BEGINNING, commonOperations, type Entry, type Operation } from "./tree-operations.ts";

const digest = (bytes: Uint8Array): string =>
  `${bytes.byteLength} bytes, ${hash("sha256", bytes).slice(0, 12)}`;

/** What both can know: node:fs cannot set times to the nanosecond, and what owns the files is the test's user. */
function comparable(entries: Map<string, Entry>): [string, Entry][] {
  const unknown = { uid: 0, links: 1, mtime: undefined };
  return [...entries].map(([path, entry]): [string, Entry] => [path, { ...entry, ...unknown }]).sort();
}

/** Owners may always read and write here: whoever runs the test may not be root. */
function allowed(operation: Operation): Operation {
  return "mode" in operation ? { ...operation, mode: operation.mode | 0o700 } : operation;
}

function check(operations: readonly Operation[]): void {
  const root = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    withBook((book) => {
      const real = new RealDirectory(root, digest);
      const kernel = new KernelModel(book.worktree, digest);
      for (const [index, operation] of [...BEGINNING, ...operations].map(allowed).entries()) {
        const wanted = real.run(operation);
        if (wanted === LEFT_OUT) continue;
        assert.equal(kernel.run(operation), wanted, `operation ${index}: ${JSON.stringify(operation)}`);
      }
      assert.deepEqual(comparable(kernel.snapshot()), comparable(real.snapshot()));
      kernel.leave();
      real.closeAll();
      assert.deepEqual(comparable(kernel.snapshot()), comparable(real.snapshot()));
      assertSound(book.library);
      assertAtRest(book.library);
    });
  } finally {
    rmSync(root, { recursive: true });
  }
}

test("any operations end with the same tree and bytes as on this machine's file system", () => {
  fc.assert(fc.property(commonOperations, check), { numRuns: 30 });
});
