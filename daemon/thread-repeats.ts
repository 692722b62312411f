/**
 * Owns when the log is told how often a refusal came again: some seconds after the first. Runs in the mount thread: must
 * never wait.
 */
import type { Library } from "../lib/library.ts";
import { REPEAT_MS } from "../lib/worktree/refusals.ts";

const NEVER_MS = -1;
const INTERVAL_MS = REPEAT_MS / 2;

export class ThreadRepeats {
  readonly #library: Library;
  #nextMs = 0;

  constructor(library: Library) {
    this.#library = library;
  }

  /** Does what is due. Returns after how many milliseconds there is more to do; -1: not before something happens. */
  settle(): number {
    const waiting = this.#library.openWorktrees().filter(({ refusals }) => refusals.hasRepeats);
    if (waiting.length === 0) return NEVER_MS;
    const nowMs = performance.now();
    if (nowMs < this.#nextMs) return Math.ceil(this.#nextMs - nowMs);
    // Before the attempt: one that fails (a full disk) is not to be repeated, and told, between any two requests.
    this.#nextMs = nowMs + INTERVAL_MS;
    for (const worktree of waiting) worktree.settleRefusals(REPEAT_MS);
    return waiting.some(({ refusals }) => refusals.hasRepeats) ? INTERVAL_MS : NEVER_MS;
  }
}
