// One run of many test files: how many at once, and where each works. Owns the order of a run; must
// never know what a test is.

import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { performance } from "node:perf_hooks";
import { clearWorkplace, findLeftovers, listOutsideTraces, type Workplace } from "./leftovers.ts";
import type { Failure, Outcome } from "./outcome.ts";
import { runStep, type Step } from "./step.ts";
import { runTestFile } from "./test-file.ts";

const COMPILE_CACHE = join(import.meta.dirname, "..", "..", "node_modules", ".cache", "pfs-tests");

/** What to run: paths relative to the project's root, which is the working directory. */
export interface TestRunPlan {
  /** Any of them may run beside any other. */
  readonly files: readonly string[];
  /** Checks of other kinds, begun before the files and beside them. */
  readonly steps: readonly Step[];
  /** How many of them run at once. */
  readonly concurrency: number;
  /** Of one file. */
  readonly timeoutMs: number;
  /** Told each outcome as it is there. */
  readonly onOutcome: (outcome: Outcome) => void;
}

/** Runs the plan, some at once, and at last looks for leftovers, which counts as a test of its own. */
export async function runTestFiles({
  files,
  steps,
  concurrency,
  timeoutMs,
  onOutcome,
}: TestRunPlan): Promise<void> {
  const traces = new Set(listOutsideTraces());
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-run-"));
  // Tests also run as another user, who must reach these directories.
  chmodSync(folder, 0o755);
  const leftovers: Failure[] = [];
  const workplaces = new Set<Workplace>();
  const giveUp = (): void => {
    for (const workplace of workplaces) clearWorkplace(workplace);
    process.exit(130);
  };
  process.once("SIGINT", giveUp).once("SIGTERM", giveUp);
  let count = 0;

  const runOne = async (file: string): Promise<void> => {
    count += 1;
    const workplace = makeWorkplace(folder, count);
    workplaces.add(workplace);
    const env = makeEnvironment(workplace);
    onOutcome(
      await runTestFile({
        path: join(process.cwd(), file),
        title: file,
        timeoutMs,
        env,
        marker: workplace.marker,
      }),
    );
    const found = await findLeftovers(workplace);
    if (found.length > 0) leftovers.push({ name: `left behind by ${file}`, details: found.join("\n") });
    clearWorkplace(workplace);
    workplaces.delete(workplace);
  };
  const waiting = [
    ...steps.map((step) => async () => onOutcome(await runStep(step))),
    ...files.map((file) => () => runOne(file)),
  ];
  const work = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) await run();
  };
  await Promise.all(Array.from({ length: concurrency }, work));

  const startMs = performance.now();
  const outside = listOutsideTraces().filter((trace) => !traces.has(trace));
  if (outside.length > 0)
    leftovers.push({ name: "left behind outside of temporary directories", details: outside.join("\n") });
  if (readdirSync(folder).length === 0) rmdirSync(folder);
  onOutcome({
    title: "leftovers",
    passed: leftovers.length === 0 ? 1 : 0,
    failures: leftovers,
    durationMs: performance.now() - startMs,
  });
}

function makeWorkplace(parent: string, number: number): Workplace {
  // Short names: a Unix socket's whole path has 107 bytes.
  const folder = join(parent, `${number}`);
  mkdirSync(folder);
  chmodSync(folder, 0o1777);
  return { folder, marker: `PFS_TEST_WORKPLACE=${basename(parent)}/${number}` };
}

/** The environment of a test file: no store, daemon or temporary directory of the developer's is within its reach. */
function makeEnvironment({ folder, marker }: Workplace): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !/^(PFS_|NODE_TEST|npm_)/.test(entry[0]),
  );
  const seed = process.env.PFS_SEED;
  const separator = marker.indexOf("=");
  return {
    ...Object.fromEntries(kept),
    ...(seed === undefined ? {} : { PFS_SEED: seed }),
    TMPDIR: folder,
    XDG_RUNTIME_DIR: folder,
    XDG_DATA_HOME: folder,
    // What one test file and its daemons have compiled, the next ones need not.
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    PFS_STORE: join(folder, "default-store"),
    [marker.slice(0, separator)]: marker.slice(separator + 1),
  };
}
