/**
 * Owns when rows of the log are told to the main thread: many at once, as a message for each would cost a program that saves
 * file after file more than its own save. Runs in the mount thread: must never wait.
 */
import type { LogRow } from "../schema/log-row.ts";

const NEVER_MS = -1;
/** How late a row may be told. */
const DELAY_MS = 50;
const MAX_ROWS = 256;

export class ThreadRows {
  readonly #tell: (rows: readonly LogRow[]) => void;
  #rows: LogRow[] = [];
  #sinceMs = 0;

  constructor(tell: (rows: readonly LogRow[]) => void) {
    this.#tell = tell;
  }

  add(row: LogRow): void {
    if (this.#rows.length === 0) this.#sinceMs = performance.now();
    this.#rows.push(row);
    if (this.#rows.length >= MAX_ROWS) this.flush();
  }

  /** Tells what is due. Returns after how many milliseconds there is more to do; -1: not before something happens. */
  settle(): number {
    if (this.#rows.length === 0) return NEVER_MS;
    const leftMs = this.#sinceMs + DELAY_MS - performance.now();
    if (leftMs > 0) return Math.ceil(leftMs);
    this.flush();
    return NEVER_MS;
  }

  /** Tells all: what is told next happened later. */
  flush(): void {
    if (this.#rows.length === 0) return;
    const rows = this.#rows;
    this.#rows = [];
    this.#tell(rows);
  }
}
