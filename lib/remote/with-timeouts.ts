/**
 * Owns giving up what a remote does not answer, once for every interface: an answer that does not come, a stream that stands
 * still. Must never wait for what it has given up.
 */
import { type Decorator, decorate, type Operations, type Watching } from "./operations.ts";
import { RemoteError } from "./remote-error.ts";

interface TimeoutOptions {
  /** For messages. */
  readonly remoteName: string;
  /** How long an answer may take, and the next item of a stream. */
  readonly quickMs?: number;
  /** The same for what may take long; begins anew with all that shows that it goes on. */
  readonly slowMs?: number;
}

const QUICK_MS = 30_000;
const SLOW_MS = 120_000;

/**
 * The remote, whose operations end with UNAVAILABLE when they take too long, and are aborted where they can be. They may have
 * been done, or be done later.
 */
export function withTimeouts<Remote extends object>(
  remote: Remote,
  operations: Operations<Remote>,
  { remoteName, quickMs = QUICK_MS, slowMs = SLOW_MS }: TimeoutOptions,
): Remote {
  const decorator: Decorator = {
    answer: async ({ isSlow, signal, start }) => {
      const limit = new TimeLimit(remoteName, isSlow ? slowMs : quickMs, signal);
      return await limit.bound(() => start(limit.watching));
    },
    async *stream({ signal, start }) {
      const limit = new TimeLimit(remoteName, quickMs, signal);
      const items = start(limit.watching)[Symbol.asyncIterator]();
      let isGivenUp = false;
      try {
        for (;;) {
          isGivenUp = true;
          const next = await limit.bound(() => items.next());
          isGivenUp = false;
          if (next.done === true) return;
          yield next.value;
        }
      } finally {
        // A generator that stands still would only return when it moves again.
        const returned = items.return?.();
        if (isGivenUp) returned?.catch(() => undefined);
        else await returned;
      }
    },
  };
  return decorate(remote, operations, decorator);
}

class TimeLimit {
  readonly watching: Watching;
  readonly #remoteName: string;
  readonly #limitMs: number;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #giveUp: ((error: RemoteError) => void) | undefined;

  constructor(remoteName: string, limitMs: number, signal: AbortSignal | undefined) {
    this.#remoteName = remoteName;
    this.#limitMs = limitMs;
    const ownSignal = this.#abort.signal;
    this.watching = {
      signal: signal === undefined ? ownSignal : AbortSignal.any([signal, ownSignal]),
      onProgress: () => {
        if (this.#giveUp !== undefined) this.#begin();
      },
    };
  }

  /** What `work` gives, if it does so in time. */
  async bound<Result>(work: () => Promise<Result>): Promise<Result> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    this.#giveUp = reject;
    this.#begin();
    try {
      return await Promise.race([work(), late]);
    } finally {
      this.#giveUp = undefined;
      clearTimeout(this.#timer);
    }
  }

  #begin(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end(), this.#limitMs);
  }

  #end(): void {
    const message = `${this.#remoteName} has not answered for ${this.#limitMs / 1000} s.`;
    const error = new RemoteError("UNAVAILABLE", message, { isRetryable: true });
    this.#giveUp?.(error);
    this.#abort.abort(error);
  }
}
