/**
 * Checks the store in a thread of its own, with a reader of its own: checking takes its time, and neither saves nor kernel
 * notifications wait for it. Must never write.
 */
import { parentPort, workerData } from "node:worker_threads";
import { StoreReader } from "../lib/reader.ts";
import { type Finding, type VerifyProgress, verifyStore } from "../lib/verify.ts";
import { type ErrorReport, reportOf } from "./error-report.ts";

export interface VerifyStart {
  readonly storeDirectory: string;
  readonly rehash: boolean;
}

export type VerifyReport =
  | ({ readonly type: "progress" } & VerifyProgress)
  | { readonly type: "findings"; readonly findings: readonly Finding[] }
  | { readonly type: "failure"; readonly error: ErrorReport };

const { storeDirectory, rehash } = workerData as VerifyStart;

function tell(report: VerifyReport): void {
  parentPort?.postMessage(report);
}

async function main(): Promise<void> {
  const reader = StoreReader.openBeside(storeDirectory);
  try {
    const findings = await verifyStore(reader, {
      rehash,
      onProgress: (progress) => tell({ type: "progress", ...progress }),
    });
    tell({ type: "findings", findings });
  } finally {
    reader.close();
  }
}

main().catch((error) => tell({ type: "failure", error: reportOf(error) }));
