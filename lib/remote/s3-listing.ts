/**
 * Owns that a listing of S3's goes on from page to page, so that it ends: a server that begins again and again would keep
 * whoever reads it for ever. Must never hold what was listed, but for a word of each page.
 */
import { RemoteError } from "./remote-error.ts";

interface ListingOptions {
  /** For messages. */
  readonly remoteName: string;
  /** Keys ascend by their bytes, as S3's do; not everywhere where they may have any letters. */
  readonly isSorted: boolean;
  /** What it was asked to begin behind. */
  readonly after?: string | undefined;
}

export class S3Listing {
  readonly #options: ListingOptions;
  /** What each page began with, and where it said that the next one begins. */
  readonly #marks = new Set<string>();
  #last: Buffer | undefined;

  constructor(options: ListingOptions) {
    this.#options = options;
    if (options.after !== undefined) this.#last = Buffer.from(options.after);
  }

  /**
   * Takes a look at the next page.
   * @param keys of all that is on it
   * @param next where the server says that the page behind it begins
   * @throws RemoteError CORRUPT: it has what came before
   */
  check(keys: readonly string[], next: string | undefined): void {
    if (this.#options.isSorted) for (const key of keys) this.#ascend(key);
    const [first] = keys;
    if (first !== undefined) this.#mark(`key ${first}`);
    if (next !== undefined) this.#mark(`next ${next}`);
  }

  #ascend(key: string): void {
    const bytes = Buffer.from(key);
    if (this.#last !== undefined && this.#last.compare(bytes) >= 0) throw this.#refusal();
    this.#last = bytes;
  }

  #mark(mark: string): void {
    if (this.#marks.has(mark)) throw this.#refusal();
    this.#marks.add(mark);
  }

  #refusal(): RemoteError {
    const message = `${this.#options.remoteName} gave a listing that has the same again, or is out of order.`;
    return new RemoteError("CORRUPT", message, {
      hint: "Look at the server, or at what is on the way to it.",
      isRetryable: false,
    });
  }
}
