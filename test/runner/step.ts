// Runs a checking program (type checker, linter) as one counted test. Must never hide what the program said when it fails.

import { spawn } from "node:child_process";
import { performance } from "node:perf_hooks";
import type { Outcome } from "./outcome.ts";
import { withSecretsFound } from "./printed-secrets.ts";

/** A program of this project's dependencies, run by the running Node: a script and its arguments. */
export interface Step {
  readonly title: string;
  readonly args: readonly string[];
}

/** Runs the step; passed means exit code 0. */
export async function runStep({ title, args }: Step): Promise<Outcome> {
  const startMs = performance.now();
  const { code, output } = await runNode(args);
  const told = `${output}\n(exit code ${code}: node ${args.join(" ")})`;
  const failures = code === 0 ? [] : [{ name: title, details: told }];
  const all = withSecretsFound(title, output, failures);
  return { title, passed: all.length === 0 ? 1 : 0, failures: all, durationMs: performance.now() - startMs };
}

function runNode(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    const collect = (text: string): void => {
      output += text;
    };
    child.stdout.setEncoding("utf8").on("data", collect);
    child.stderr.setEncoding("utf8").on("data", collect);
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, output }));
  });
}
