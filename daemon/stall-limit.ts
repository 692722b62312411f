/** Owns giving up what does not go on: an end that comes when nothing has come for so long, however long all of it takes. */
import { PfsError } from "../schema/errors.ts";

export class StallLimit {
  readonly signal: AbortSignal;
  readonly #limitMs: number;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout;

  /** Begins at once. @param signal ends it as well, with its reason */
  constructor(limitMs: number, signal: AbortSignal) {
    this.#limitMs = limitMs;
    this.signal = AbortSignal.any([signal, this.#abort.signal]);
    this.#timer = this.#begin();
  }

  /** The same items, each of which shows that it goes on. */
  async *watch<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item, void> {
    for await (const item of items) {
      clearTimeout(this.#timer);
      this.#timer = this.#begin();
      yield item;
    }
  }

  /** Nothing is waited for any more. */
  end(): void {
    clearTimeout(this.#timer);
  }

  #begin(): NodeJS.Timeout {
    return setTimeout(() => {
      const message = `The remote has sent nothing for ${this.#limitMs / 1000} seconds.`;
      this.#abort.abort(
        new PfsError("UNAVAILABLE", message, { hint: "It is asked again when it is tried again." }),
      );
    }, this.#limitMs);
  }
}
