// Preloaded into a daemon (`NODE_OPTIONS=--import`): while the file PFS_TEST_SLOW exists, each transaction waits before it
// begins, so that what other threads and the kernel do meanwhile is sure to happen.

import { existsSync } from "node:fs";

const PAUSE_MS = 1000;
const cell = new Int32Array(new SharedArrayBuffer(4));
const order = process.env.PFS_TEST_SLOW ?? "";

(globalThis as Record<symbol, unknown>)[Symbol.for("pfs.step")] = (step: string): void => {
  if (step === "transaction.begun" && existsSync(order)) Atomics.wait(cell, 0, 0, PAUSE_MS);
};
