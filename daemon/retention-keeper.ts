/**
 * Owns moving old rows of shared books' logs into segments, in the background and when it is asked for, one book at a time. Must
 * never keep anybody waiting who saves, nor move what somebody looks at.
 */
import type { StoreReader } from "../lib/reader.ts";
import { listRemotes } from "../lib/shared-rows.ts";
import type { Moved } from "../lib/sync/move-book.ts";
import type { BookId } from "../schema/ids.ts";
import { type Retention, retentionText } from "../schema/retention.ts";
import type { MountDescription } from "./mount-registry.ts";
import type { Syncer } from "./syncer.ts";

/** How retention is, for `GET /status`. */
export interface RetentionStatus {
  /** How long rows stay: `90d`, or `forever`. */
  readonly keep: string;
  /** Why rows that are older did not move, a whole sentence; null where they did, or could not be expected to. */
  readonly problem: string | null;
}

export interface RetentionKeeperOptions {
  readonly reader: StoreReader;
  readonly syncer: Pick<Syncer, "book">;
  readonly mounts: { list(): readonly Pick<MountDescription, "book" | "position">[] };
  retention(): Retention;
  /** Told of each problem that is not the one of before, in a whole sentence. */
  onFault(message: string): void;
}

/** After the start, and from then on: nothing is urgent about it. */
const FIRST_MS = 600_000;
const INTERVAL_MS = 6 * 3_600_000;
/** A segment that is not full waits so long for more rows. */
const SMALL_WAITS_MS = 7 * 86_400_000;

export class RetentionKeeper {
  readonly #options: RetentionKeeperOptions;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  #problem: string | undefined;

  constructor(options: RetentionKeeperOptions) {
    this.#options = options;
    this.#schedule(FIRST_MS);
  }

  status(): RetentionStatus {
    return { keep: retentionText(this.#options.retention()), problem: this.#problem ?? null };
  }

  /** Moves rows of a book that were written before a time, ISO 8601 UTC. @throws as BookSync.moveOldRows */
  move(bookId: BookId, before: string): Promise<Moved> {
    return this.#inTurn(() => this.#move(bookId, before, before));
  }

  /** Brings all of them back. @returns how many. @throws as BookSync.recallRows */
  recall(bookId: BookId): Promise<number> {
    return this.#inTurn(() => this.#options.syncer.book(bookId).sync.recallRows(this.#abort.signal));
  }

  /** Moves what is old in all books. Never fails. @param nowMs milliseconds since 1970 */
  async keep(nowMs = Date.now()): Promise<void> {
    const retention = this.#options.retention();
    let problem: string | undefined;
    if (retention !== "forever") {
      const before = new Date(nowMs - retention).toISOString();
      const smallBefore = new Date(nowMs - retention - SMALL_WAITS_MS).toISOString();
      for (const { bookId } of listRemotes(this.#options.reader.database)) {
        try {
          await this.#inTurn(() => this.#move(bookId, before, smallBefore));
        } catch (error) {
          if (this.#abort.signal.aborted) return;
          problem ??= `Old rows of the log of ${bookId} stay for now. ${(error as Error).message}`;
        }
      }
    }
    if (problem !== undefined && problem !== this.#problem) this.#options.onFault(problem);
    this.#problem = problem;
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error("the daemon is stopping"));
    clearTimeout(this.#timer);
    await this.#turn;
  }

  async #move(bookId: BookId, before: string, smallBefore: string): Promise<Moved> {
    const looked = this.#options.mounts
      .list()
      .flatMap(({ book, position }) => (book === bookId && position !== null ? [position] : []));
    const untilSeq = looked.length === 0 ? undefined : Math.min(...looked);
    const { sync } = this.#options.syncer.book(bookId);
    return await sync.moveOldRows({ before, smallBefore, untilSeq }, this.#abort.signal);
  }

  #schedule(delayMs: number): void {
    if (this.#abort.signal.aborted) return;
    this.#timer = setTimeout(() => {
      void this.keep().finally(() => this.#schedule(INTERVAL_MS));
    }, delayMs).unref();
  }

  #inTurn<Result>(action: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(() => {
      this.#abort.signal.throwIfAborted();
      return action();
    });
    this.#turn = result.catch(() => undefined);
    return result;
  }
}
