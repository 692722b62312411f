// The one test runner: `npm test`, `npm test -- PATTERN…`, `npm run test:long`. Owns what a whole run consists of and its
// last line, `N passed, N failed`; must never pass a run in which something did not run.

import { globSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { prepareMachine } from "./machine.ts";
import { describeOutcome, describeTotals, type Outcome } from "./runner/outcome.ts";
import type { Step } from "./runner/step.ts";
import { runTestFiles } from "./runner/test-run.ts";

const ROOT = join(import.meta.dirname, "..");
const LONG_TESTS = "test/long/**/*.test.ts";
/** Begun first, so that the others run beside it. */
const LONGEST = "test/long/soak.test.ts";
/** More than the two processors that there are at least: tests wait for daemons and disks, and the long ones for time, too. */
const CONCURRENCY = 3;
const LONG_CONCURRENCY = 4;
const TIMEOUT_MS = 600_000;
const LONG_TIMEOUT_MS = 30 * 60_000;
const HELP = `Usage: npm test -- [PATTERN…]      all tests, or those whose path contains a pattern
       npm run test:long -- [PATTERN…]   the slow ones
Options: --timeout SECONDS (of one file)
`;
const STEPS: readonly Step[] = [
  { title: "types", args: ["node_modules/typescript/bin/tsc", "--noEmit", "-p", "tsconfig.json"] },
  { title: "lint", args: ["node_modules/@biomejs/biome/bin/biome", "ci", "--colors=off"] },
  { title: "knip", args: ["node_modules/knip/bin/knip.js", "--no-progress"] },
];

async function main(): Promise<number> {
  process.chdir(ROOT);
  const { values, positionals: patterns } = parseArgs({
    allowPositionals: true,
    options: { long: { type: "boolean" }, timeout: { type: "string" }, help: { type: "boolean" } },
  });
  if (values.help === true) {
    process.stdout.write(HELP);
    return 0;
  }
  const outcomes: Outcome[] = [];
  const onOutcome = (outcome: Outcome): void => {
    outcomes.push(outcome);
    process.stdout.write(describeOutcome(outcome));
  };
  const problem = prepareMachine();
  if (problem !== undefined) {
    onOutcome({
      title: "machine",
      passed: 0,
      failures: [{ name: "machine", details: problem }],
      durationMs: 0,
    });
    return finish(outcomes);
  }

  const isWanted = (name: string): boolean =>
    patterns.length === 0 || patterns.some((part) => name.includes(part));
  const steps = values.long === true ? [] : STEPS.filter(({ title }) => isWanted(title));
  const files = listTestFiles(values.long === true).filter(isWanted);
  if (steps.length + files.length === 0) {
    const details =
      patterns.length === 0 ? "there is no test" : `no test's path contains ${patterns.join(" or ")}`;
    onOutcome({ title: "tests", passed: 0, failures: [{ name: "no test ran", details }], durationMs: 0 });
  }
  if (steps.length + files.length > 0)
    await runTestFiles({
      files,
      steps,
      concurrency: values.long === true ? LONG_CONCURRENCY : CONCURRENCY,
      timeoutMs: timeoutOf(values),
      onOutcome,
    });
  return finish(outcomes);
}

function finish(outcomes: readonly Outcome[]): number {
  process.stdout.write(describeTotals(outcomes));
  return outcomes.every(({ failures }) => failures.length === 0) ? 0 : 1;
}

function listTestFiles(long: boolean): string[] {
  const files = globSync(long ? LONG_TESTS : "test/**/*.test.ts", {
    exclude: long ? [] : [LONG_TESTS],
  }).sort();
  return [...files.filter((path) => path === LONGEST), ...files.filter((path) => path !== LONGEST)];
}

function timeoutOf({ long, timeout }: { long?: boolean | undefined; timeout?: string | undefined }): number {
  if (timeout !== undefined) {
    if (!/^[1-9][0-9]*$/.test(timeout)) throw new Error(`--timeout takes whole seconds, not ${timeout}`);
    return Number(timeout) * 1000;
  }
  return long === true ? LONG_TIMEOUT_MS : TIMEOUT_MS;
}

process.exitCode = await main();
