/** Looks for blobs that may be evicted in a thread of its own, with a reader of its own. Must never write. */
import { parentPort, workerData } from "node:worker_threads";
import { type Evictable, type EvictableQuery, findEvictable } from "../lib/cache/find-evictable.ts";
import { StoreReader } from "../lib/reader.ts";
import { reportOf } from "./error-report.ts";
import type { ThreadAnswer } from "./thread-answer.ts";

/** What it is started with. */
export interface CacheQuery extends EvictableQuery {
  readonly storeDirectory: string;
}

function find({ storeDirectory, ...query }: CacheQuery): ThreadAnswer<Evictable> {
  try {
    const reader = StoreReader.openBeside(storeDirectory);
    try {
      return { answer: findEvictable(reader, query) };
    } finally {
      reader.close();
    }
  } catch (error) {
    return { error: reportOf(error) };
  }
}

parentPort?.postMessage(find(workerData as CacheQuery));
