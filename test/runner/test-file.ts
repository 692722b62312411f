// Runs one file of tests in a process of its own and counts what it reports. Owns the house's view of the results: a
// skipped test, a test to do and a file without tests are failures. Must never run two files or know their order.

import { performance } from "node:perf_hooks";
import { run } from "node:test";
import { inspect } from "node:util";
import type { Failure, Outcome } from "./outcome.ts";
import { withSecretsFound } from "./printed-secrets.ts";
import { endProcesses, listProcesses } from "./process-marker.ts";

/** A file to run. A file that takes longer than `timeoutMs` is ended, with every process it started. */
export interface TestFile {
  readonly path: string;
  readonly title: string;
  readonly timeoutMs: number;
  /** The whole environment of the file's process. */
  readonly env: Readonly<Record<string, string>>;
  /** `NAME=value` in `env` that no other process has but those this file starts. */
  readonly marker: string;
}

/** What `node:test` says about one test, as far as it matters here. */
interface Report {
  readonly name: string;
  readonly nesting: number;
  readonly skip?: string | boolean;
  readonly todo?: string | boolean;
  readonly details: {
    readonly type?: string;
    readonly error?: { readonly cause?: unknown; readonly failureType?: string };
  };
}

type Verdict = "passed" | "uncounted" | { readonly details: string };

/** Runs the file and returns what came of it; never rejects because of what a test does. */
export async function runTestFile({ path, title, timeoutMs, env, marker }: TestFile): Promise<Outcome> {
  const startMs = performance.now();
  const failures: Failure[] = [];
  const names: string[] = [];
  let passed = 0;
  let printed = "";
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    endProcesses(listProcesses(marker));
  }, timeoutMs);

  for await (const { type, data } of run({ files: [path], isolation: "process", concurrency: 1, env })) {
    if (type === "test:stdout" || type === "test:stderr") {
      printed += data.message;
    } else if (type === "test:diagnostic" && data.file !== undefined) {
      printed += `${data.message}\n`;
    } else if (type === "test:start") {
      names.length = data.nesting;
      names.push(data.name);
    } else if (type === "test:pass" || type === "test:fail") {
      const isFile = data.nesting === 0 && data.name === path;
      const verdict =
        isFile && timedOut
          ? explainTimeout(timeoutMs)
          : judge(data, { isFile, passes: type === "test:pass" });
      const name = isFile ? "the file itself" : [...names.slice(0, data.nesting), data.name].join(" › ");
      if (verdict === "passed") passed += 1;
      else if (verdict !== "uncounted") failures.push({ name, details: verdict.details });
    }
  }
  clearTimeout(timer);
  const all = withSecretsFound(title, printed, addPrinted(failures, printed));
  return { title, passed, failures: all, durationMs: performance.now() - startMs };
}

function judge(report: Report, { isFile, passes }: { isFile: boolean; passes: boolean }): Verdict {
  const { error, type } = report.details;
  // Those inside have been counted already.
  if (error?.failureType === "subtestsFailed") return "uncounted";
  if (report.skip !== undefined) {
    return { details: `skipped (${report.skip}): a test must run, or fail and say what it needs` };
  }
  if (report.todo !== undefined) return { details: `still to do (${report.todo}): write it or remove it` };
  if (!passes) return { details: inspect(error?.cause ?? error, { depth: 8 }) };
  if (isFile) return { details: "ran no test" };
  return type === "suite" ? "uncounted" : "passed";
}

function explainTimeout(timeoutMs: number): Verdict {
  return { details: `not done after ${timeoutMs / 1000} s; ended, with the processes it had started` };
}

/** What the file printed belongs to no test in particular: shown once, after the last failure. */
function addPrinted(failures: readonly Failure[], printed: string): Failure[] {
  const last = failures.at(-1);
  if (last === undefined || printed.trim() === "") return [...failures];
  const details = `${last.details}\n\nThe file printed:\n${printed.slice(-20_000)}`;
  return [...failures.slice(0, -1), { name: last.name, details }];
}
