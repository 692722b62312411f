/**
 * Owns being told by PostgreSQL of new rows: a connection that listens, is asked now and then whether it still lives, and is
 * made again when it does not. Must never end by itself, nor throw.
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { type BookId, parseBookId, parseSeq } from "../../schema/ids.ts";
import { parseNamedHead } from "./log-answers.ts";
import type { PostgresDatabase } from "./postgres-database.ts";
import type { Watch } from "./remote-log.ts";

/** In milliseconds. */
export interface WatchTimes {
  /** Between two questions for all heads: a connection that died without a word is found by them, and what no notice told of. */
  readonly askEvery: number;
  /** How long an answer may take. */
  readonly answer: number;
  /** Waits before the connection is made again are between half of this and all of it at first, twice that each time. */
  readonly firstDelay: number;
  readonly longestDelay: number;
}

const DEFAULTS: WatchTimes = { askEvery: 15_000, answer: 10_000, firstDelay: 200, longestDelay: 30_000 };

export class PostgresWatch implements Watch {
  readonly #database: PostgresDatabase;
  readonly #prepare: () => Promise<unknown>;
  readonly #onRows: (bookId: BookId, seq: number) => void;
  readonly #times: WatchTimes;
  readonly #told = new Map<BookId, number>();
  readonly #closed = new AbortController();
  readonly #done: Promise<void>;
  #failures = 0;

  /** @param prepare makes sure that the tables are there */
  constructor(
    database: PostgresDatabase,
    prepare: () => Promise<unknown>,
    onRows: (bookId: BookId, seq: number) => void,
    times: Partial<WatchTimes>,
  ) {
    this.#database = database;
    this.#prepare = prepare;
    this.#onRows = onRows;
    this.#times = { ...DEFAULTS, ...times };
    this.#done = this.#run();
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#done;
  }

  async #run(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      try {
        await this.#untilClosed(this.#prepare());
        if (!this.#closed.signal.aborted) await this.#listen();
      } catch {
        // Whoever pushes or pulls is told why; here it is only tried again.
      }
      await this.#wait(this.#delay());
    }
  }

  /** Listens until the connection fails or the watch is closed. */
  async #listen(): Promise<void> {
    const { client, hangUp } = this.#database.listener(this.#times.answer);
    const lost = new AbortController();
    client.on("error", () => lost.abort());
    client.on("end", () => lost.abort());
    client.on("notification", ({ payload }) => this.#tell(payload));
    const signal = AbortSignal.any([lost.signal, this.#closed.signal]);
    this.#closed.signal.addEventListener("abort", hangUp);
    try {
      await client.connect();
      await client.query("LISTEN pfs");
      // Whatever came before is seen here, whatever comes later is told.
      this.#told.clear();
      while (!signal.aborted) {
        await this.#ask(client);
        this.#failures = 0;
        await this.#wait(this.#times.askEvery, signal);
      }
    } finally {
      this.#closed.signal.removeEventListener("abort", hangUp);
      hangUp();
    }
  }

  async #ask(client: Client): Promise<void> {
    const { rows } = await client.query("SELECT book_id, seq FROM pfs.book");
    for (const row of rows) {
      const { bookId, seq } = parseNamedHead(row);
      this.#see(bookId, seq);
    }
  }

  /** Of a notification, which anybody who may use the database can send. */
  #tell(payload = ""): void {
    const [bookId = "", seq = ""] = payload.split(" ", 2);
    try {
      this.#see(parseBookId(bookId), parseSeq(seq));
    } catch {
      // Not one of ours.
    }
  }

  #see(bookId: BookId, seq: number): void {
    if (this.#told.get(bookId) === seq) return;
    this.#told.set(bookId, seq);
    try {
      this.#onRows(bookId, seq);
    } catch (error) {
      process.emitWarning(error as Error);
    }
  }

  #delay(): number {
    const { firstDelay, longestDelay } = this.#times;
    const longest = Math.min(longestDelay, firstDelay * 2 ** Math.min(this.#failures++, 20));
    return longest * (0.5 + Math.random() / 2);
  }

  /** Waits for `work` for as long as the watch is not closed. */
  async #untilClosed(work: Promise<unknown>): Promise<void> {
    const settled = new AbortController();
    const closed = once(this.#closed.signal, "abort", { signal: settled.signal });
    try {
      await Promise.race([work, closed.catch(() => undefined)]);
    } finally {
      settled.abort();
    }
  }

  /** Ends early when `signal` is aborted. */
  async #wait(ms: number, signal: AbortSignal = this.#closed.signal): Promise<void> {
    await sleep(ms, undefined, { signal }).catch(() => undefined);
  }
}
