/**
 * Owns when a shared book is published while a daemon runs: after what was pushed here, a little later after what others have
 * pushed, as they do it themselves, and again after a failure. Must never keep a push or a pull waiting.
 */
import { CLAIM_MS } from "../lib/remote/remote-claims.ts";
import type { BookSync } from "./book-sync.ts";
import { retryDelayMs } from "./retry-delay.ts";

/** Whoever has pushed is given so long before others look. */
const OTHERS_MS = 5_000;

export class BookPublisher {
  readonly #sync: BookSync;
  readonly #onFailure: (message: string) => void;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #dueMs = Number.POSITIVE_INFINITY;
  #running: Promise<void> = Promise.resolve();
  #failures = 0;
  #error: string | undefined;

  constructor(sync: BookSync, onFailure: (message: string) => void) {
    this.#sync = sync;
    this.#onFailure = onFailure;
  }

  /** Of the last attempt, a whole sentence. */
  get error(): string | undefined {
    return this.#error;
  }

  /** A sync has ended. @param hasPushed whether own rows are on the remote now that were not before */
  synced(hasPushed: boolean): void {
    if (this.#failures === 0) this.#after(hasPushed ? 0 : OTHERS_MS);
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error("the daemon is stopping"));
    clearTimeout(this.#timer);
    await this.#running;
  }

  /** The soonest of those that were asked for. */
  #after(delayMs: number): void {
    const dueMs = performance.now() + delayMs;
    if (this.#abort.signal.aborted || dueMs >= this.#dueMs) return;
    this.#dueMs = dueMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#running = this.#running.then(() => this.#run());
    }, delayMs);
  }

  async #run(): Promise<void> {
    try {
      const { type } = await this.#sync.publish(this.#abort.signal);
      this.#failures = 0;
      this.#error = undefined;
      // Whoever is at it does what there is to do, unless it is gone.
      if (type === "busy") this.#after(CLAIM_MS);
    } catch (error) {
      if (!this.#abort.signal.aborted) this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    if (message !== this.#error) this.#onFailure(message);
    this.#error = message;
    this.#after(retryDelayMs(this.#failures++));
  }
}
