/** The checkpointing thread as the main thread knows it: starts and ends it. */
import { Worker } from "node:worker_threads";
import type { CheckpointerFault, CheckpointerStart } from "./checkpointer.ts";
import type { CommitSignal } from "./commit-signal.ts";
import { moduleFile } from "./module-file.ts";

export interface CheckpointHostOptions {
  readonly storeDirectory: string;
  readonly commits: CommitSignal;
  onFault(message: string): void;
}

/** The thread allocates next to nothing. */
const LITTLE_MEMORY = { maxYoungGenerationSizeMb: 1, maxOldGenerationSizeMb: 64 };

export class CheckpointHost {
  readonly #commits: CommitSignal;
  readonly #exit: Promise<void>;

  /** Of a store that this process has open. */
  constructor({ storeDirectory, commits, onFault }: CheckpointHostOptions) {
    this.#commits = commits;
    const start: CheckpointerStart = { storeDirectory, commits: commits.memory };
    const worker = new Worker(moduleFile("checkpointer"), {
      name: "pfs-checkpoint",
      workerData: start,
      resourceLimits: LITTLE_MEMORY,
      // It has one open on purpose until the process ends: Checkpoint.syncDatabase.
      trackUnmanagedFds: false,
    });
    worker.on("message", ({ message }: CheckpointerFault) => onFault(message));
    worker.on("error", (error) => onFault(String(error)));
    this.#exit = new Promise((resolve) => worker.once("exit", () => resolve()));
  }

  /** Makes the last commits durable and ends the thread. */
  close(): Promise<void> {
    this.#commits.stop();
    return this.#exit;
  }
}
