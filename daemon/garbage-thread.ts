/**
 * Finds a store's garbage in a thread of its own, with a reader of its own, as it looks through the whole log. Must never
 * write.
 */
import { parentPort, workerData } from "node:worker_threads";
import { findGarbage, type Garbage } from "../lib/garbage.ts";
import { StoreReader } from "../lib/reader.ts";
import { type ErrorReport, reportOf } from "./error-report.ts";

export type GarbageReport = { readonly garbage: Garbage } | { readonly error: ErrorReport };

function tell(report: GarbageReport): void {
  parentPort?.postMessage(report);
}

async function main(storeDirectory: string): Promise<void> {
  const reader = StoreReader.openBeside(storeDirectory);
  try {
    tell({ garbage: await findGarbage(reader) });
  } finally {
    reader.close();
  }
}

main(workerData as string).catch((error) => tell({ error: reportOf(error) }));
