/** Owns what is told of a sync while it goes on, to whoever asked for it: progress, and at last what came of it. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Prefetched } from "../lib/sync/prefetch.ts";
import type { PublishOutcome } from "../lib/sync/publish.ts";
import type { BookId } from "../schema/ids.ts";
import type { BookSync, SyncKind } from "./book-sync.ts";
import { type CloneSummary, clone, type RemoteRequest } from "./shared-books.ts";
import type { StoreOwner } from "./store-owner.ts";

export interface SyncProgress {
  readonly type: "progress";
  readonly pulled_rows: number;
  readonly pushed_rows: number;
  readonly total_rows: number;
  /** How many rows the remote has that are not here; 0 until it has said so. */
  readonly total_pulled_rows: number;
  readonly sent_blobs: number;
  readonly total_blobs: number;
  readonly sent_bytes: number;
  readonly total_bytes: number;
}

export interface SyncSummary {
  readonly type: "done";
  readonly book: BookId;
  readonly pushed: number;
  readonly pulled: number;
  /** Own changes that others' are in the way of; `pfs conflicts` lists them. */
  readonly conflicts: number;
  /** Rows of others that no store should have made. */
  readonly refused: number;
  readonly sent_blobs: number;
  readonly sent_bytes: number;
  /** Names below books/ on the remote that were made what the log says. */
  readonly published: number;
  /** Files that could not be published, a sentence for each. */
  readonly not_published: readonly string[];
}

export type SyncEvent = SyncProgress | SyncSummary;

export type PrefetchEvent =
  | (Prefetched & {
      readonly type: "progress";
      readonly total_blobs: number;
      readonly total_bytes: number;
    })
  | (Prefetched & { readonly type: "done"; readonly book: BookId });

export type CloneEvent =
  | { readonly type: "progress"; readonly files: number }
  | (CloneSummary & { readonly type: "done" });

const INTERVAL_MS = 100;
const NOT_PUBLISHED: Pick<PublishOutcome, "published" | "unpublished" | "left"> = {
  published: 0,
  unpublished: 0,
  left: [],
};

/** Yields progress and at last a summary. @throws as BookSync.prefetch */
export async function* prefetchEvents(
  sync: BookSync,
  history: boolean,
  signal?: AbortSignal,
): AsyncGenerator<PrefetchEvent, void> {
  const { blobs: total_blobs, bytes: total_bytes } = sync.absent(history);
  const done = { blobs: 0, bytes: 0, failed: 0 };
  const work = sync.prefetch(history, signal, (bytes) => {
    done.blobs++;
    done.bytes += bytes;
  });
  for await (const outcome of untilDone(work)) {
    if (outcome === undefined) yield { type: "progress", ...done, total_blobs, total_bytes };
    else yield { type: "done", book: sync.bookId, ...outcome };
  }
}

/** Yields progress and at last a summary. @param onDone told also where nobody listens any more @throws as clone */
export async function* cloneEvents(
  owner: StoreOwner,
  request: RemoteRequest,
  onDone: () => void = () => undefined,
): AsyncGenerator<CloneEvent, void> {
  let files = 0;
  const cloning = clone(owner, request, (count) => {
    files = count;
  });
  const work = cloning.then((summary) => {
    onDone();
    return summary;
  });
  for await (const outcome of untilDone(work)) {
    if (outcome === undefined) yield { type: "progress", files };
    else yield { type: "done", ...outcome };
  }
}

/** Yields progress and at last a summary. @throws as BookSync.run */
export async function* syncEvents(
  sync: BookSync,
  kind: SyncKind,
  signal?: AbortSignal,
): AsyncGenerator<SyncEvent, void> {
  const waiting = kind === "push" ? sync.waiting() : { rows: 0, blobs: 0, bytes: 0 };
  const totals = { total_rows: waiting.rows, total_blobs: waiting.blobs, total_bytes: waiting.bytes };
  const done = { pulled_rows: 0, pushed_rows: 0, sent_blobs: 0, sent_bytes: 0 };
  let total_pulled_rows = 0;
  const syncing = sync.run(kind, {
    signal,
    onStep: (step) => {
      if (step.type === "pulled") {
        // How much there is costs a request of its own: asked only where there is something.
        if (done.pulled_rows === 0) askHowMuch();
        done.pulled_rows += step.rows;
      } else if (step.type === "pushed") done.pushed_rows += step.rows;
      else {
        done.sent_blobs++;
        done.sent_bytes += step.bytes;
      }
    },
  });
  const askHowMuch = (): void => {
    // Whoever cannot be asked is told of by the sync itself.
    sync.behind().then(
      (rows) => {
        total_pulled_rows = done.pulled_rows + rows;
      },
      () => undefined,
    );
  };
  const work = syncing.then(async (outcome) => ({
    ...outcome,
    copies: kind === "push" ? await sync.publish(signal) : NOT_PUBLISHED,
  }));
  for await (const outcome of untilDone(work)) {
    if (outcome === undefined) yield { type: "progress", ...done, ...totals, total_pulled_rows };
    else {
      const { pushed, pulled, copies } = outcome;
      const { applied, conflicts, refused } = pulled;
      const { sent_blobs, sent_bytes } = done;
      const summary = { pushed, pulled: applied, conflicts, refused, sent_blobs, sent_bytes };
      const published = copies.published + copies.unpublished;
      const not_published = copies.left.map(({ message }) => message);
      yield { type: "done", book: sync.bookId, ...summary, published, not_published };
    }
  }
}

/** Yields undefined from time to time, and at last what came of the work. @throws what it throws */
async function* untilDone<Outcome>(work: Promise<Outcome>): AsyncGenerator<Outcome | undefined, void> {
  const pause = new AbortController();
  try {
    for (let outcome: Outcome | undefined; outcome === undefined; ) {
      const wait = sleep(INTERVAL_MS, undefined, { signal: pause.signal });
      wait.catch(() => undefined);
      outcome = await Promise.race([work, wait]);
      yield outcome;
    }
  } finally {
    pause.abort();
  }
}
