/** The checking thread as the main thread knows it: starts it and hands on what it finds. */
import { on } from "node:events";
import { Worker } from "node:worker_threads";
import type { Finding, VerifyProgress } from "../lib/verify.ts";
import { errorFrom } from "./error-report.ts";
import { moduleFile } from "./module-file.ts";
import type { VerifyReport, VerifyStart } from "./verify-thread.ts";

export type VerifyEvent =
  | ({ readonly type: "progress" } & VerifyProgress)
  | ({ readonly type: "finding" } & Finding)
  | { readonly type: "done"; readonly errors: number; readonly warnings: number };

/** Checks a store; yields progress, then every finding, then the sums. @throws what the check met */
export async function* verifyInThread(start: VerifyStart): AsyncGenerator<VerifyEvent, void> {
  const worker = new Worker(moduleFile("verify-thread"), { name: "pfs-verify", workerData: start });
  try {
    for await (const [report] of on(worker, "message", { close: ["exit"] }) as AsyncIterable<
      [VerifyReport]
    >) {
      if (report.type === "failure") throw errorFrom(report.error);
      if (report.type === "progress") yield report;
      else yield* summarize(report.findings);
    }
  } finally {
    await worker.terminate();
  }
}

function* summarize(findings: readonly Finding[]): Generator<VerifyEvent, void> {
  for (const finding of findings) yield { type: "finding", ...finding };
  const errors = findings.filter(({ severity }) => severity === "error").length;
  yield { type: "done", errors, warnings: findings.length - errors };
}
