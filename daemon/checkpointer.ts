/**
 * The thread that waits for the disk so that no save has to: makes commits safe against power loss within a second and
 * moves them from the write-ahead log into the database. Must never write anything of its own.
 */
import { setImmediate } from "node:timers/promises";
import { parentPort, workerData } from "node:worker_threads";
import { Checkpoint, WAL_LIMIT_BYTES } from "../lib/checkpoint.ts";
import { CommitSignal } from "./commit-signal.ts";

export interface CheckpointerStart {
  readonly storeDirectory: string;
  readonly commits: SharedArrayBuffer;
}

/** What the thread tells: a disk that fails is worth a line, once for each try. */
export interface CheckpointerFault {
  readonly message: string;
}

/** From a commit until it is synced; with the time a sync takes, below the second that is promised. */
const SYNC_DELAY_MS = 500;
const SLICE_MS = 100;
/** A log that grows this fast is not left to grow until the delay is over. */
const LARGE_WAL_BYTES = 16 * 1024 * 1024;

/** Checkpoints in a row before the writer is asked. */
const ROUNDS = 2;
/** For how long the writer is asked to make room. */
const RESTART_PATIENCE_MS = 200;

const { storeDirectory, commits } = workerData as CheckpointerStart;
const signal = new CommitSignal(commits);
const checkpoint = new Checkpoint(storeDirectory);

function waitForDelay(walBytesBefore: number): void {
  for (let waitedMs = 0; waitedMs < SYNC_DELAY_MS && !signal.isStopped; waitedMs += SLICE_MS) {
    signal.pause(SLICE_MS);
    if (checkpoint.walBytes - walBytesBefore > LARGE_WAL_BYTES) return;
  }
}

function attempt(action: () => void): void {
  try {
    action();
  } catch (error) {
    parentPort?.postMessage({ message: String(error) } satisfies CheckpointerFault);
  }
}

/**
 * A writer that never pauses adds to the log while this thread empties it, so that it never starts over by itself. Each
 * round leaves less, until the writer can do the rest between two commits without being held up for long.
 */
function empty(): void {
  const walBytes = checkpoint.run();
  if (walBytes < WAL_LIMIT_BYTES) restartAtBytes = WAL_LIMIT_BYTES;
  if (walBytes < restartAtBytes) return;
  for (let round = 0; round < ROUNDS; round++) {
    checkpoint.syncDatabase();
    checkpoint.run();
  }
  checkpoint.syncDatabase();
  checkpoint.sync();
  if (signal.isStopped) return;
  signal.requestRestart(RESTART_PATIENCE_MS);
  // A reader may hold the log (a long `pfs verify`): not to be tried again for every commit.
  restartAtBytes = walBytes + WAL_LIMIT_BYTES;
}

let restartAtBytes = WAL_LIMIT_BYTES;
let seen = 0;
while (!signal.isStopped) {
  signal.waitForMore(seen);
  waitForDelay(checkpoint.walBytes);
  seen = signal.count;
  attempt(() => checkpoint.sync());
  attempt(empty);
  // Node gives back in it what addons hold of what was collected: of each pragma some 4 KB.
  await setImmediate();
}
checkpoint.close();
