/**
 * Owns when paths that were removed and not written again become deletes of the log: about a second later. Runs in the
 * mount thread: must never wait.
 */
import type { Library } from "../lib/library.ts";
import { VACANCY_MS } from "../lib/worktree/vacancies.ts";

const NEVER_MS = -1;
const SLICE = 250;

export class ThreadVacancies {
  readonly #library: Library;
  #nextMs = 0;

  constructor(library: Library) {
    this.#library = library;
  }

  /** Does what is due. Returns after how many milliseconds there is more to do; -1: not before something happens. */
  settle(): number {
    const waiting = this.#library.openWorktrees().filter((worktree) => worktree.hasVacancies);
    if (waiting.length === 0) return NEVER_MS;
    const nowMs = performance.now();
    // Asked for between any two requests, so that most of the time the answer must cost nothing.
    if (nowMs < this.#nextMs) return Math.ceil(this.#nextMs - nowMs);
    // Before the attempt: one that fails (a full disk) is not to be repeated, and told, between any two requests.
    this.#nextMs = nowMs + VACANCY_MS / 2;
    for (const worktree of waiting) {
      if (worktree.settle(VACANCY_MS, SLICE) < SLICE) continue;
      // After `rm -r` of much there is much to do: in slices, so that requests are served in between.
      this.#nextMs = 0;
      return 0;
    }
    return waiting.some((worktree) => worktree.hasVacancies) ? VACANCY_MS / 2 : NEVER_MS;
  }
}
