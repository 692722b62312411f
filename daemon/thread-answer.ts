/** Owns asking a thread of its own one question, as what looks through the whole store would keep others waiting. Must never keep one. */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { type ErrorReport, errorFrom } from "./error-report.ts";
import { moduleFile } from "./module-file.ts";

/** What the thread tells, once. */
export type ThreadAnswer<Answer> = { readonly answer: Answer } | { readonly error: ErrorReport };

/**
 * Starts the module of that name and waits for what it tells.
 * @param name of the thread, for people
 * @throws what the thread met; the signal's reason
 */
export async function askThread<Answer>(
  module: string,
  { name, data, signal }: { name: string; data: unknown; signal?: AbortSignal },
): Promise<Answer> {
  const worker = new Worker(moduleFile(module), { name, workerData: data });
  try {
    const [told] = (await once(worker, "message", { signal })) as [ThreadAnswer<Answer>];
    if ("error" in told) throw errorFrom(told.error);
    return told.answer;
  } finally {
    await worker.terminate();
  }
}
