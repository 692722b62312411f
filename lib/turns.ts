/**
 * Owns that only so many of something are under way at once, whoever asks: others wait, and come in their order. Must never give
 * a turn to whoever does not wait any more.
 */
export class Turns {
  readonly #waiting = new Set<() => void>();
  #free: number;

  /** @param count how many are under way at the most */
  constructor(count: number) {
    this.#free = count;
  }

  /** What `work` gives, done when it is its turn. @throws the signal's reason while it waits; as `work` */
  async run<Result>(work: () => Promise<Result>, signal: AbortSignal): Promise<Result> {
    await this.#wait(signal);
    try {
      return await work();
    } finally {
      this.#end();
    }
  }

  async #wait(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#free > 0) {
      this.#free--;
      return;
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const giveUp = (): void => {
      // One that has its turn already gives it back by itself.
      if (this.#waiting.delete(resolve)) reject(signal.reason);
    };
    this.#waiting.add(resolve);
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  #end(): void {
    const [next] = this.#waiting;
    if (next === undefined) {
      this.#free++;
      return;
    }
    this.#waiting.delete(next);
    next();
  }
}
