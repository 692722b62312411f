/** The property of the differential tests, for a run of any length. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { withBook } from "../harness.ts";
import { callSequence } from "./calls.ts";
import { Executor } from "./executor.ts";

export interface Extent {
  readonly sequences: number;
  /** Of one sequence. */
  readonly maxCalls: number;
}

/** Longest that a failure is made smaller. */
const SHRINK_MS = 60_000;

/** Makes random system calls on a mounted book and on an ordinary directory. @throws where anything differs */
export async function assertSameAsPlain({ sequences, maxCalls }: Extent): Promise<void> {
  assert.equal(process.getuid?.(), 0, "This test takes the part of several users: run it as root.");
  await withBook({ allowOther: true }, async ({ dir, plain }) => {
    const executor = new Executor(dir, plain);
    let failedAtMs = Number.POSITIVE_INFINITY;
    try {
      await fc.assert(
        fc.asyncProperty(callSequence(maxCalls), fc.constantFrom(0, 0o022), async (calls, umask) => {
          // Once it was made small for long enough, everything smaller counts as right.
          if (Date.now() > failedAtMs + SHRINK_MS) return;
          try {
            await executor.compare(calls, umask);
          } catch (error) {
            failedAtMs = Math.min(failedAtMs, Date.now());
            throw error;
          }
        }),
        { numRuns: sequences },
      );
    } finally {
      await executor.close();
    }
  });
}
