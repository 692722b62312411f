/**
 * Owns when a shared book is synced while a daemon runs: soon after it has changed here or there, and again after a failure,
 * ever more rarely. Must never do a step itself: book-sync.ts does.
 */
import type { RemoteError } from "../lib/remote/remote-error.ts";
import type { Watch } from "../lib/remote/remote-log.ts";
import type { ChangeToShare } from "../lib/strict-change.ts";
import type { SharedFirst } from "../lib/sync/share-first.ts";
import type { BookId } from "../schema/ids.ts";
import { BookPublisher } from "./book-publisher.ts";
import { BookSync, type BookSyncOptions } from "./book-sync.ts";
import { retryDelayMs } from "./retry-delay.ts";
import { isoTime, type SyncStatus } from "./sync-status.ts";

export interface SyncedBookOptions extends BookSyncOptions {
  onFailure(bookId: BookId, message: string): void;
}

/** A save is more than one row; what comes meanwhile goes along. */
const SETTLE_MS = 20;
/** Failures are told of soon, and tried again from here. */
const RETRY = { policy: { attempts: 3, totalMs: 10_000 } };

export class SyncedBook {
  readonly sync: BookSync;
  readonly #options: SyncedBookOptions;
  readonly #publisher: BookPublisher;
  readonly #abort = new AbortController();
  #watch: Watch | undefined;
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #isWanted = false;
  #failures = 0;
  #error: string | undefined;
  /** What the sync under way is trying again, which may go on for minutes where a remote says nothing. */
  #trouble: string | undefined;
  #nextAttempt: string | undefined;

  constructor(options: SyncedBookOptions) {
    this.#options = options;
    const onRetry = (_: string, error: RemoteError): void => {
      this.#trouble = error.message;
    };
    this.sync = new BookSync({ ...options, retry: { ...RETRY, onRetry } });
    this.#publisher = new BookPublisher(this.sync, (message) => options.onFailure(this.sync.bookId, message));
  }

  /** Begins to sync by itself. Never fails: `status` tells. */
  start(): void {
    this.#soon(0);
  }

  /** Something was done in the book here. */
  changed(): void {
    // What is about to begin takes it along: it must not be put off for as long as somebody saves, nor is anything looked up.
    if (this.#failures > 0 || this.#isWanted || this.#timer !== undefined) return;
    if (this.sync.isWaiting) this.#soon(SETTLE_MS);
  }

  /** As {@link BookSync.share}; what follows of it is done. */
  async share(change: ChangeToShare, signal: AbortSignal): Promise<SharedFirst> {
    const outcome = await this.sync.share(change, signal);
    if (this.#abort.signal.aborted) return outcome;
    this.succeeded();
    this.#publisher.synced(outcome.type === "shared");
    return outcome;
  }

  status(): SyncStatus {
    const { logUrl, blobsUrl } = this.sync.state();
    const { rows, bytes } = this.sync.waiting();
    const isWaiting = this.#nextAttempt !== undefined;
    const trouble = this.#running === undefined ? undefined : this.#trouble;
    return {
      book: this.sync.bookId,
      log: logUrl,
      blobs: blobsUrl,
      state: this.#running !== undefined ? "syncing" : isWaiting ? "waiting" : "idle",
      pending: rows,
      pending_bytes: bytes,
      last_sync: isoTime(this.sync.lastSyncMs),
      error: trouble ?? this.#error ?? this.#publisher.error ?? null,
      next_attempt: this.#nextAttempt ?? null,
    };
  }

  /** What was asked for by hand has gone well. */
  succeeded(): void {
    this.#failures = 0;
    this.#error = this.#nextAttempt = undefined;
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#abort.abort(new Error("the daemon is stopping"));
    await this.#watch?.close();
    await Promise.all([this.#running, this.#publisher.close()]);
    await this.sync.close();
  }

  /** Nothing to do when it is watched already. @throws RemoteError */
  async #startWatching(): Promise<void> {
    if (this.#watch !== undefined) return;
    const { log } = await this.sync.remote();
    if (this.#abort.signal.aborted) return;
    this.#watch = log.watch((bookId, seq) => {
      if (bookId !== this.sync.bookId) return;
      // Whoever tells can be reached again.
      if (this.#failures > 0 || seq > this.sync.state().pulledSeq) this.#soon(0);
    });
  }

  #soon(delayMs: number): void {
    if (this.#running !== undefined) this.#isWanted = true;
    else this.#schedule(delayMs);
  }

  #schedule(delayMs: number): void {
    if (this.#abort.signal.aborted) return;
    clearTimeout(this.#timer);
    this.#nextAttempt = this.#failures === 0 ? undefined : new Date(Date.now() + delayMs).toISOString();
    this.#timer = setTimeout(() => {
      this.#timer = this.#nextAttempt = undefined;
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
        const isWanted = this.#isWanted;
        this.#isWanted = false;
        if (this.#failures > 0) this.#schedule(retryDelayMs(this.#failures - 1));
        else if (isWanted) this.#schedule(SETTLE_MS);
      });
    }, delayMs);
  }

  async #run(): Promise<void> {
    this.#trouble = undefined;
    try {
      // First, so that nothing that comes after the pull is missed.
      await this.#startWatching();
      const { pushed } = await this.sync.run("push", { signal: this.#abort.signal });
      this.succeeded();
      this.#publisher.synced(pushed > 0);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (message !== this.#error) this.#options.onFailure(this.sync.bookId, message);
    this.#error = message;
    this.#failures++;
  }
}
