/**
 * Compares journal, log, bytes and remote in a thread of its own, at a low priority and a bounded rate, with a reader and a
 * remote of its own. Must never write, nor hold anything that others wait for.
 */
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import { type Difference, type DifferenceKind, isUnreadable, ofRemote } from "../lib/desync/difference.ts";
import { type StorePosition, StoreRound } from "../lib/desync/store-round.ts";
import { HeadSigner } from "../lib/head-signer.ts";
import { Pace, type PaceLimits } from "../lib/pace.ts";
import { StoreReader } from "../lib/reader.ts";
import { RemoteCounters } from "../lib/remote/with-metrics.ts";
import { findRemote } from "../lib/shared-rows.ts";
import { verifyRemote } from "../lib/sync/verify-remote.ts";
import type { BlobHash, BookId } from "../schema/ids.ts";
import { notShared, openRemote, recognizeRemote } from "./book-sync.ts";
import { type ErrorReport, reportOf } from "./error-report.ts";

/** What it is started with: what to check. */
export type DesyncStart = { readonly storeDirectory: string } & (
  | { readonly from: StorePosition }
  | {
      readonly bookId: BookId;
      /** Behind which hash bytes are read, and what was wrong the last time. */
      readonly rehashAfter: string;
      readonly suspects: readonly BlobHash[];
    }
);

export type DesyncReport =
  | { readonly type: "found"; readonly difference: Difference }
  | { readonly type: "position"; readonly position: StorePosition }
  | { readonly type: "over"; readonly rehashAfter?: string; readonly suspects?: readonly BlobHash[] }
  | { readonly type: "failure"; readonly error: ErrorReport };

const STORE_PACE: PaceLimits = { rows: 2_000, requests: 1, bytes: 16 << 20 };
const REMOTE_PACE: PaceLimits = { rows: 2_000, requests: 50, bytes: 4 << 20 };
/** How much of a remote's bytes is read in one round: it costs whoever pays for the traffic. */
const REHASHED_BYTES = 1 << 30;
/** How often is told how far it is. */
const TOLD_MS = 1_000;
const MAX_SUSPECTS = 100;
const RETRY = { policy: { attempts: 3, totalMs: 30_000 } };
/**
 * A tenth of what others get of a busy core (sched(7)). Not the lowest: while a thread that reads is given no core, what it has
 * begun to read keeps the database's log from starting anew.
 */
const LOW_PRIORITY = 10;

const start = workerData as DesyncStart;

function tell(report: DesyncReport): void {
  parentPort?.postMessage(report);
}

/** Of this thread alone: on Linux each has its own. */
function stepBack(): void {
  try {
    setPriority(0, LOW_PRIORITY);
  } catch (error) {
    // pfsd.service forbids it, as other sandboxes do; the pace is bounded all the same.
    const { code } = (error as { info?: { code?: string } }).info ?? {};
    if (code !== "EPERM" && code !== "EACCES") throw error;
  }
}

async function main(): Promise<void> {
  stepBack();
  const reader = StoreReader.openBeside(start.storeDirectory);
  try {
    if ("from" in start) await checkStore(reader, start.from);
    else await checkRemote(reader, start.bookId, start.rehashAfter, start.suspects);
  } finally {
    reader.close();
  }
}

async function checkStore(reader: StoreReader, from: StorePosition): Promise<void> {
  const pace = new Pace(STORE_PACE);
  let at = from;
  let toldMs = performance.now();
  try {
    for await (const { differences, rows, bytes, next } of new StoreRound(reader).pages(from)) {
      for (const difference of differences) tell({ type: "found", difference });
      if (next !== undefined) {
        at = next;
        // Main has other things to do. What is found behind a position counts only with the next.
        if (performance.now() - toldMs >= TOLD_MS) {
          toldMs = performance.now();
          tell({ type: "position", position: next });
        }
      }
      await pace.spend({ rows, bytes });
    }
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    const message = `The database cannot be read: ${error.message}.`;
    tell({ type: "found", difference: { book: undefined, kind: kindOf(at), message } });
  }
  tell({ type: "over" });
}

function kindOf({ step }: StorePosition): DifferenceKind {
  return step === "paths" ? "journal" : step;
}

async function checkRemote(
  reader: StoreReader,
  bookId: BookId,
  after: string,
  first: readonly BlobHash[],
): Promise<void> {
  const state = findRemote(reader.database, bookId);
  if (state === undefined) throw notShared(bookId);
  const counters = new RemoteCounters();
  const remote = await openRemote(state, reader.directory, { counters, retry: RETRY });
  try {
    await recognizeRemote(remote.log, state);
    const { storeId } = new HeadSigner(reader.directory);
    const { damage, rehashedTo } = await verifyRemote(
      { bookId, storeId, log: remote.log, blobs: remote.blobs, reader, pace: new Pace(REMOTE_PACE) },
      {
        rehash: { first, after, maxBytes: REHASHED_BYTES },
        onFinding: (finding) => {
          const difference = ofRemote(bookId, finding);
          if (difference !== undefined) tell({ type: "found", difference });
        },
      },
    );
    const suspects = damage.blobs.slice(0, MAX_SUSPECTS).map(({ hash }) => hash);
    tell({ type: "over", rehashAfter: rehashedTo, suspects });
  } finally {
    await remote.close();
  }
}

main().catch((error) => tell({ type: "failure", error: reportOf(error) }));
