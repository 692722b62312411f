/**
 * Owns the errands under way for all mounts of the thread, and who waits for each. Must never do one: that is another
 * thread's.
 */
import type { Deferred, Errand, ErrandOutcome } from "../lib/errands.ts";

interface Running {
  /** The same for errands of which one does for all; undefined: for none. */
  readonly key: string | undefined;
  readonly waiters: { readonly deferred: Deferred; readonly again: () => void }[];
}

export class ErrandDesk {
  readonly #start: (id: number, errand: Errand) => void;
  readonly #running = new Map<number, Running>();
  #lastId = 0;

  /** `start` hands an errand to whoever does it; its end comes back to {@link done}. */
  constructor(start: (id: number, errand: Errand) => void) {
    this.#start = start;
  }

  /** Lets the errand be done; calls `again` after that, however it went. What is under way is not begun twice. */
  add(deferred: Deferred, again: () => void): void {
    const { errand } = deferred;
    const key = keyOf(errand);
    const known =
      key === undefined ? undefined : [...this.#running.values()].find((running) => running.key === key);
    if (known !== undefined) {
      known.waiters.push({ deferred, again });
      return;
    }
    const id = ++this.#lastId;
    this.#running.set(id, { key, waiters: [{ deferred, again }] });
    this.#start(id, errand);
  }

  /** An errand has ended; without an outcome it has failed, or the file changed meanwhile. */
  done(id: number, outcome: ErrandOutcome | undefined): void {
    const running = this.#running.get(id);
    this.#running.delete(id);
    const waiters = running?.waiters ?? [];
    for (const { deferred, again } of waiters) {
      if (outcome !== undefined) deferred.finish(outcome);
      again();
    }
    for (const { deferred } of waiters) deferred.end?.();
  }
}

function keyOf(errand: Errand): string | undefined {
  if (errand.type === "share") return undefined;
  return errand.type === "hash" ? `hash ${errand.path}` : JSON.stringify(errand);
}
