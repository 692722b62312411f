/**
 * Owns when the last sync of a book went well, for whoever asks now and for those after this process. Must never cost each sync
 * a transaction: what comes close behind another is kept with the next, or at the end.
 */

/** What a process that is killed may forget. */
const KEPT_MS = 1_000;

export class SyncTimes {
  readonly #keep: (timeMs: number) => Promise<void>;
  #lastMs: number | undefined;
  #keptMs: number | undefined;

  constructor(keep: (timeMs: number) => Promise<void>) {
    this.#keep = keep;
  }

  /** Milliseconds since 1970; undefined: none in this process. */
  get lastMs(): number | undefined {
    return this.#lastMs;
  }

  async synced(): Promise<void> {
    this.#lastMs = Date.now();
    const keptMs = this.#keptMs;
    // A clock that was set back is kept, too.
    if (keptMs === undefined || Math.abs(this.#lastMs - keptMs) >= KEPT_MS) await this.save();
  }

  /** The same, where somebody waits for an answer. */
  shared(): void {
    this.#lastMs = Date.now();
  }

  async save(): Promise<void> {
    const lastMs = this.#lastMs;
    if (lastMs === undefined || lastMs === this.#keptMs) return;
    await this.#keep(lastMs);
    this.#keptMs = lastMs;
  }
}
