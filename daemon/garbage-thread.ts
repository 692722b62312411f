/**
 * Finds a store's garbage in a thread of its own, with a reader of its own, as it looks through the whole log. Must never
 * write.
 */
import { parentPort, workerData } from "node:worker_threads";
import { findGarbage, type Garbage } from "../lib/garbage.ts";
import { StoreReader } from "../lib/reader.ts";
import { reportOf } from "./error-report.ts";
import type { ThreadAnswer } from "./thread-answer.ts";

function tell(answer: ThreadAnswer<Garbage>): void {
  parentPort?.postMessage(answer);
}

async function main(storeDirectory: string): Promise<void> {
  const reader = StoreReader.openBeside(storeDirectory);
  try {
    tell({ answer: await findGarbage(reader) });
  } finally {
    reader.close();
  }
}

main(workerData as string).catch((error) => tell({ error: reportOf(error) }));
