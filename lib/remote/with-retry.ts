/**
 * Owns trying again what a remote could not do, once for every interface: exponential backoff with full jitter, no sooner than
 * the remote asks, if that is soon. Must never try again what can only fail again.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { type Decorator, decorate, type Operations } from "./operations.ts";
import { RemoteError } from "./remote-error.ts";

/** How long a call is tried. What a stream has given counts as a success: both bounds begin anew behind it. */
interface RetryPolicy {
  /** The first one counts. */
  readonly attempts: number;
  /** No wait ends later than that after the call began; slow operations, which go on where they were, have no such end. */
  readonly totalMs: number;
  /** Waits are between 0 and this at first, twice that each time. */
  readonly firstDelayMs: number;
  readonly longestDelayMs: number;
}

export interface RetryOptions {
  readonly policy?: Partial<RetryPolicy>;
  /** Told before each wait. */
  readonly onRetry?: (operation: string, error: RemoteError) => void;
  /** For whoever has a clock or dice of the own. */
  readonly sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  readonly now?: () => number;
  readonly random?: () => number;
}

/** A remote that asks for longer is left to whoever called, who can tell of it, and has a time of its own to try again. */
const LONGEST_ASKED_MS = 60_000;

const DEFAULTS: RetryPolicy = { attempts: 6, totalMs: 60_000, firstDelayMs: 100, longestDelayMs: 10_000 };

/**
 * The remote, whose operations are tried again as long as that makes sense; then they end as the last attempt did. A signal
 * that is aborted ends a wait, too, with its reason.
 */
export function withRetry<Remote extends object>(
  remote: Remote,
  operations: Operations<Remote>,
  options: RetryOptions = {},
): Remote {
  const decorator: Decorator = {
    async answer({ name, isSlow, signal, start }) {
      const policy = isSlow ? { ...options.policy, totalMs: Number.POSITIVE_INFINITY } : options.policy;
      const patience = new Patience(name, signal, {
        ...options,
        ...(policy === undefined ? {} : { policy }),
      });
      for (;;) {
        try {
          return await start();
        } catch (error) {
          await patience.waitAfter(error);
        }
      }
    },
    async *stream({ name, signal, start }) {
      let patience = new Patience(name, signal, options);
      for (;;) {
        const items = start()[Symbol.asyncIterator]();
        try {
          for (;;) {
            const next = await nextOf(items, patience);
            if (next === "again") break;
            if (next.done === true) return;
            patience = new Patience(name, signal, options);
            yield next.value;
          }
        } finally {
          await items.return?.();
        }
      }
    },
  };
  return decorate(remote, operations, decorator);
}

/** Only what the stream itself throws is tried again, never what its reader does. */
async function nextOf<Item>(
  items: AsyncIterator<Item>,
  patience: Patience,
): Promise<IteratorResult<Item> | "again"> {
  try {
    return await items.next();
  } catch (error) {
    await patience.waitAfter(error);
    return "again";
  }
}

/** What is left of the attempts and the time of one call. */
class Patience {
  readonly #name: string;
  readonly #signal: AbortSignal | undefined;
  readonly #options: RetryOptions;
  readonly #policy: RetryPolicy;
  readonly #now: () => number;
  readonly #startMs: number;
  #failures = 0;

  constructor(name: string, signal: AbortSignal | undefined, options: RetryOptions) {
    this.#name = name;
    this.#signal = signal;
    this.#options = options;
    this.#policy = { ...DEFAULTS, ...options.policy };
    this.#now = options.now ?? (() => performance.now());
    this.#startMs = this.#now();
  }

  /** Returns when it is time for the next attempt; throws when there is none. */
  async waitAfter(error: unknown): Promise<void> {
    this.#signal?.throwIfAborted();
    if (!(error instanceof RemoteError) || !error.isRetryable) throw error;
    const { attempts, totalMs, firstDelayMs, longestDelayMs } = this.#policy;
    const bound = Math.min(longestDelayMs, firstDelayMs * 2 ** this.#failures++);
    const askedMs = error.retryAfterMs ?? 0;
    const delayMs = Math.max((this.#options.random ?? Math.random)() * bound, askedMs);
    if (askedMs > LONGEST_ASKED_MS) throw error;
    if (this.#failures >= attempts || this.#now() - this.#startMs + delayMs > totalMs) throw error;
    this.#options.onRetry?.(this.#name, error);
    await (this.#options.sleep ?? sleepFor)(delayMs, this.#signal);
    this.#signal?.throwIfAborted();
  }
}

async function sleepFor(ms: number, signal: AbortSignal | undefined): Promise<void> {
  try {
    await sleep(ms, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    // Node's own says only that there is a reason.
    throw signal?.aborted === true ? signal.reason : error;
  }
}
