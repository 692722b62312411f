/**
 * Owns when journal, log, bytes and remotes are compared in the background, one part at a time, and what is known of each: for
 * metrics, status and whoever is to be warned. Must never compare anything itself, nor mend it.
 */
import { on } from "node:events";
import { Worker } from "node:worker_threads";
import { mending, REMOTE_KINDS, STORE_KINDS } from "../lib/desync/difference.ts";
import { ROUND_START } from "../lib/desync/store-round.ts";
import { gauge, type MetricFamily } from "../lib/metric-family.ts";
import type { StoreReader } from "../lib/reader.ts";
import { listRemotes } from "../lib/shared-rows.ts";
import type { BookId } from "../schema/ids.ts";
import { CheckNotes, type CountedDifference, countDifference, mostOf, type Part } from "./check-notes.ts";
import type { DesyncReport, DesyncStart } from "./desync-thread.ts";
import { errorFrom } from "./error-report.ts";
import { moduleFile } from "./module-file.ts";

/** What was compared, for `GET /status`. */
export interface CheckedPart {
  /** The store with itself, or what the remote has of a book with its log. */
  readonly part: "store" | "remote";
  readonly book: BookId | null;
  /** When the last check ended, ISO 8601; null: there was none since the part was last mended. */
  readonly checked_at: string | null;
  readonly is_running: boolean;
  /** Why it could not be checked, a whole sentence. */
  readonly problem: string | null;
}

export interface KnownDifference {
  /** Null: of no book in particular. */
  readonly book: BookId | null;
  readonly kind: CountedDifference["kind"];
  readonly count: number;
  /** One of them, a whole sentence. */
  readonly first: string;
  /** What does about it, a whole sentence. */
  readonly fix: string;
}

export interface CheckStatus {
  /** How often each part is checked; null: never, or no daemon runs. */
  readonly interval_seconds: number | null;
  readonly parts: readonly CheckedPart[];
  readonly differences: readonly KnownDifference[];
}

export interface DesyncChecksOptions {
  readonly reader: StoreReader;
  /** Undefined: nothing is checked but what was mended. */
  intervalMs(): number | undefined;
  /** Whether much may be read or sent just now: a check that comes by itself waits for the end of it. */
  isBusy(): boolean;
  /** Told of what differs, in whole sentences: when it is found, and when it is more or less than the last time. */
  onDifference(message: string): void;
  onFault(message: string): void;
}

/** A daemon that starts has other things to do. */
const FIRST_MS = 60_000;
/** How soon it is looked again whether there is no other work to disturb: a check needs the disk, the remote, and 25 MB. */
const BUSY_MS = 10_000;
/** What could not be checked is tried again. */
const RETRY_MS = 600_000;
/** How often the place of a long check is noted. */
const NOTED_MS = 10_000;
/** Longer waits are cut: setTimeout takes 31 bits. */
const LONGEST_MS = 86_400_000;

/** The check that goes on. */
interface Round {
  readonly part: Part;
  readonly found: CountedDifference[];
  readonly worker: Worker;
  isAbandoned: boolean;
}

export class DesyncChecks {
  readonly #options: DesyncChecksOptions;
  readonly #notes: CheckNotes;
  /** When each is checked at the soonest: of what could not be, and of all at the start. */
  readonly #notBeforeMs = new Map<Part, number>();
  readonly #problems = new Map<Part, string>();
  readonly #startedMs = Date.now();
  #round: Round | undefined;
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #notedMs = 0;
  #isClosed = false;

  constructor(options: DesyncChecksOptions) {
    this.#options = options;
    this.#notes = new CheckNotes(options.reader.directory);
  }

  /** To be called at the start, and when the interval may be another one. Never fails. */
  schedule(): void {
    clearTimeout(this.#timer);
    if (this.#isClosed || this.#running !== undefined) return;
    const parts = this.#parts();
    const next = parts
      .map((part) => ({ part, dueMs: this.#dueMs(part) }))
      .reduce((one, other) => (other.dueMs < one.dueMs ? other : one));
    if (next.dueMs === Number.POSITIVE_INFINITY) return;
    const delayMs = Math.min(Math.max(0, next.dueMs - Date.now()), LONGEST_MS);
    this.#timer = setTimeout(() => {
      if (this.#isInTheWay(next.part))
        this.#notBeforeMs.set(
          next.part,
          Date.now() + Math.min(BUSY_MS, this.#options.intervalMs() ?? BUSY_MS),
        );
      if (this.#dueMs(next.part) > Date.now()) this.schedule();
      else this.#begin(next.part);
    }, delayMs).unref();
  }

  /** A part was mended, or somebody wants to know: it is checked at once, from its beginning. */
  soon(part: Part): void {
    this.#notes.setDue(part);
    this.#notBeforeMs.set(part, 0);
    this.#save();
    if (this.#round?.part !== part) {
      this.schedule();
      return;
    }
    this.#round.isAbandoned = true;
    void this.#round.worker.terminate();
  }

  status(): CheckStatus {
    const intervalMs = this.#options.intervalMs();
    return statusOf(this.#notes, this.#options.reader, {
      intervalMs,
      running: this.#round,
      problems: this.#problems,
    });
  }

  /** What differs of the store itself. */
  ofStore(): readonly CountedDifference[] {
    return known(this.#notes, "store", this.#round);
  }

  families(): MetricFamily[] {
    const books = this.#options.reader.listBooks().map(({ bookId }) => bookId);
    const parts = this.#parts().filter(
      (part) => this.#notes.of(part).checkedMs !== undefined || this.#known(part).length > 0,
    );
    const samples = parts.flatMap((part) => {
      const counted = this.#known(part);
      const kinds = part === "store" ? STORE_KINDS : REMOTE_KINDS;
      const of = part === "store" ? [...books, undefined] : [part];
      return of.flatMap((book) =>
        kinds.flatMap((kind) => {
          const value = counted.find((each) => each.book === book && each.kind === kind)?.count ?? 0;
          return book === undefined && value === 0 ? [] : [{ labels: { book: book ?? "", kind }, value }];
        }),
      );
    });
    const times = parts.flatMap((part) => {
      const { checkedMs } = this.#notes.of(part);
      if (checkedMs === undefined) return [];
      const labels =
        part === "store" ? { part: "store", book: "" } : { part: "remote", book: part as string };
      return [{ labels, value: checkedMs / 1000 }];
    });
    return [
      gauge(
        "pfs_desync",
        "What the last check in the background has found to differ, by book and kind (log, journal, bytes; of its remote remote_log, remote_bytes, published).",
        samples,
      ),
      gauge(
        "pfs_check_time_seconds",
        "When that check ended, seconds since 1970, by part (store, remote).",
        times,
      ),
    ];
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#timer);
    if (this.#round !== undefined) {
      this.#round.isAbandoned = true;
      await this.#round.worker.terminate();
    }
    await this.#running;
    this.#save();
  }

  /** Of a database that does not even say which books are shared the store is still to be checked: it is what differs. */
  #parts(): [Part, ...Part[]] {
    try {
      return partsOf(this.#options.reader);
    } catch (error) {
      this.#options.onFault(`Which remotes there are cannot be read: ${(error as Error).message}`);
      return ["store"];
    }
  }

  #known(part: Part): CountedDifference[] {
    return known(this.#notes, part, this.#round);
  }

  #dueMs(part: Part): number {
    const notBeforeMs = this.#notBeforeMs.get(part);
    // What somebody asked for does not depend on an interval.
    if (notBeforeMs === 0) return 0;
    const intervalMs = this.#options.intervalMs();
    if (intervalMs === undefined) return Number.POSITIVE_INFINITY;
    const { checkedMs } = this.#notes.of(part);
    // A clock that was set back must not keep it from being checked for years.
    const isBelievable = checkedMs !== undefined && checkedMs <= Date.now();
    const dueMs = isBelievable ? checkedMs + intervalMs : 0;
    const firstMs = this.#startedMs + Math.min(FIRST_MS, intervalMs);
    return Math.max(dueMs, firstMs, notBeforeMs ?? 0);
  }

  /** Never what somebody asked for. */
  #isInTheWay(part: Part): boolean {
    return this.#notBeforeMs.get(part) !== 0 && this.#options.isBusy();
  }

  #begin(part: Part): void {
    this.#notBeforeMs.delete(part);
    this.#running = this.#run(part)
      .catch((error: unknown) => this.#noteProblem(part, error))
      .finally(() => {
        this.#running = this.#round = undefined;
        this.schedule();
      });
  }

  #noteProblem(part: Part, error: unknown): void {
    this.#problems.set(part, error instanceof Error ? error.message : String(error));
    this.#notBeforeMs.set(part, Date.now() + Math.min(RETRY_MS, this.#options.intervalMs() ?? RETRY_MS));
  }

  /** @throws what its thread met, or why there can be none */
  async #run(part: Part): Promise<void> {
    const before = this.#notes.of(part);
    const { round } = before;
    const worker = new Worker(moduleFile("desync-thread"), {
      name: "pfs-desync",
      workerData: this.#startOf(part),
    });
    const found = structuredClone([...(round?.differences ?? [])]);
    const current: Round = { part, found, worker, isAbandoned: false };
    this.#round = current;
    try {
      for await (const [report] of on(worker, "message", { close: ["exit"] }) as AsyncIterable<
        [DesyncReport]
      >) {
        if (current.isAbandoned) return;
        if (this.#take(current, report)) return;
      }
      if (!current.isAbandoned) throw new Error("Its thread has ended.");
    } catch (error) {
      if (!current.isAbandoned) throw error;
    } finally {
      await worker.terminate();
    }
  }

  #startOf(part: Part): DesyncStart {
    const storeDirectory = this.#options.reader.directory;
    const { round, rehashAfter = "", suspects = [] } = this.#notes.of(part);
    if (part === "store") return { storeDirectory, from: round?.position ?? ROUND_START };
    return { storeDirectory, bookId: part, rehashAfter, suspects };
  }

  /** @returns whether that was all @throws what the thread met */
  #take({ part, found }: Round, report: DesyncReport): boolean {
    const notes = this.#notes.of(part);
    switch (report.type) {
      case "found": {
        const { difference } = report;
        const { book, kind, message } = difference;
        const isNew = ![...notes.differences, ...found].some(
          (each) => each.book === book && each.kind === kind,
        );
        countDifference(found, difference);
        if (isNew) this.#options.onDifference(`${of(difference)}${message} ${mending(difference)}`);
        return false;
      }
      case "position":
        this.#notes.set(part, {
          ...notes,
          round: { position: report.position, differences: structuredClone(found) },
        });
        if (Date.now() - this.#notedMs > NOTED_MS) this.#save();
        return false;
      case "over": {
        const { rehashAfter, suspects } = report;
        this.#notes.set(part, { checkedMs: Date.now(), differences: found, rehashAfter, suspects });
        this.#problems.delete(part);
        this.#save();
        this.#tellChanged(notes.differences, found);
        return true;
      }
      case "failure":
        throw errorFrom(report.error);
    }
  }

  #tellChanged(before: readonly CountedDifference[], now: readonly CountedDifference[]): void {
    for (const each of now) {
      const { count, first } = each;
      const known = before.find(({ book, kind }) => book === each.book && kind === each.kind);
      // What is one was told when it was found.
      if (count === (known?.count ?? 1)) continue;
      this.#options.onDifference(`${of(each)}${count} differences. The first: ${first} ${mending(each)}`);
    }
    for (const { book, kind } of before)
      if (!now.some((each) => each.book === book && each.kind === kind))
        this.#options.onDifference(`${of({ book, kind })}nothing differs any more.`);
  }

  #save(): void {
    this.#notedMs = Date.now();
    try {
      this.#notes.keepOnly(this.#parts());
      this.#notes.save();
    } catch (error) {
      this.#options.onFault(`What was checked cannot be noted: ${(error as Error).message}`);
    }
  }
}

/** As far as it is remembered, while no daemon runs. */
export function stillCheckStatus(reader: StoreReader): CheckStatus {
  return statusOf(new CheckNotes(reader.directory), reader, {
    intervalMs: undefined,
    running: undefined,
    problems: new Map(),
  });
}

function statusOf(
  notes: CheckNotes,
  reader: StoreReader,
  now: {
    readonly intervalMs: number | undefined;
    readonly running: Round | undefined;
    readonly problems: ReadonlyMap<Part, string>;
  },
): CheckStatus {
  const parts = partsOf(reader);
  return {
    interval_seconds: now.intervalMs === undefined ? null : now.intervalMs / 1000,
    parts: parts.map((part) => {
      const { checkedMs } = notes.of(part);
      return {
        part: part === "store" ? "store" : "remote",
        book: part === "store" ? null : part,
        checked_at: checkedMs === undefined ? null : new Date(checkedMs).toISOString(),
        is_running: now.running?.part === part,
        problem: now.problems.get(part) ?? null,
      };
    }),
    differences: parts.flatMap((part) =>
      known(notes, part, now.running).map((each) => {
        const { book, kind, count, first } = each;
        return { book: book ?? null, kind, count, first, fix: mending(each) };
      }),
    ),
  };
}

/** Of the last check, and what the one that goes on has found besides. */
function known(notes: CheckNotes, part: Part, running: Round | undefined): CountedDifference[] {
  const { differences, round } = notes.of(part);
  return mostOf(differences, running?.part === part ? running.found : (round?.differences ?? []));
}

function partsOf(reader: StoreReader): [Part, ...Part[]] {
  return ["store", ...listRemotes(reader.database).map(({ bookId }) => bookId)];
}

function of({ book, kind }: Pick<CountedDifference, "book" | "kind">): string {
  return `${book === undefined ? "" : `${book}, `}${kind.replace("_", " ")}: `;
}
