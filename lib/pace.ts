/** Owns how fast work in the background goes: so much a second of each kind, and never more than half of a core. Must never do any. */
import { setTimeout as sleep } from "node:timers/promises";

/** Work that was done. */
export interface Spent {
  readonly rows?: number;
  /** Questions to a remote. */
  readonly requests?: number;
  readonly bytes?: number;
}

/** How much a second. */
export type PaceLimits = { readonly [Kind in keyof Required<Spent>]: number };

/** Shorter waits are made up for later: a timer costs something, too. */
const SHORTEST_MS = 10;

export class Pace {
  readonly #limits: PaceLimits;
  /** When all that was done so far would be done at the rate that is allowed, performance.now(). */
  #dueMs = 0;
  #busySinceMs = performance.now();

  constructor(limits: PaceLimits) {
    this.#limits = limits;
  }

  /** Resolves when more may be done. */
  async spend({ rows = 0, requests = 0, bytes = 0 }: Spent): Promise<void> {
    const nowMs = performance.now();
    const { rows: rowLimit, requests: requestLimit, bytes: byteLimit } = this.#limits;
    const allowedMs = (rows / rowLimit + requests / requestLimit + bytes / byteLimit) * 1000;
    // What took longer than it may rests as long again.
    const restMs = Math.max(allowedMs, nowMs - this.#busySinceMs);
    this.#dueMs = Math.max(this.#dueMs, nowMs) + restMs;
    this.#busySinceMs = nowMs;
    if (this.#dueMs - nowMs < SHORTEST_MS) return;
    await sleep(this.#dueMs - nowMs);
    this.#busySinceMs = performance.now();
  }
}
