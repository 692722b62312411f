// Preloaded into a daemon (`NODE_OPTIONS=--import`): kills it at the step that the file PFS_TEST_KILL_AT names as `STEP N`,
// when it is passed for the Nth time since the file is there. Does nothing without that file.

import { readFileSync, rmSync } from "node:fs";

const order = process.env.PFS_TEST_KILL_AT ?? "";
let passed = 0;

(globalThis as Record<symbol, unknown>)[Symbol.for("pfs.step")] = (step: string): void => {
  let wanted: string;
  try {
    wanted = readFileSync(order, "utf8");
  } catch {
    passed = 0;
    return;
  }
  const [at, count] = wanted.split(" ");
  if (step !== at || ++passed < Number(count)) return;
  rmSync(order);
  process.kill(process.pid, "SIGKILL");
};
