/**
 * Owns telling the main thread in which books something was done, for whoever syncs them: not of every row, which would cost a
 * writer without pauses. Runs in the mount thread: must never wait.
 */
import type { Log } from "../lib/log.ts";
import type { BookId } from "../schema/ids.ts";

/** Between two tellings. */
const INTERVAL_MS = 10;
const NEVER_MS = -1;

export class ThreadChanges {
  readonly #tell: (books: readonly BookId[]) => void;
  readonly #changed = new Set<BookId>();
  #nextMs = 0;

  constructor(log: Log, tell: (books: readonly BookId[]) => void) {
    this.#tell = tell;
    log.onRow(({ book_id }) => this.#changed.add(book_id as BookId));
  }

  /** Tells what is due. Returns after how many milliseconds there is more to tell; -1: not before something happens. */
  tell(): number {
    if (this.#changed.size === 0) return NEVER_MS;
    const nowMs = performance.now();
    if (nowMs < this.#nextMs) return Math.ceil(this.#nextMs - nowMs);
    this.#nextMs = nowMs + INTERVAL_MS;
    this.#tell([...this.#changed]);
    this.#changed.clear();
    return NEVER_MS;
  }
}
