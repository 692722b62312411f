/**
 * The mount thread as the main thread knows it: starts it, asks it, hears it, ends it. Owns the port and the doorbell;
 * must never touch a mount or the store itself.
 */
import { MessageChannel, type MessagePort, receiveMessageOnPort, Worker } from "node:worker_threads";
import type { BlobFetcher } from "../lib/blob-fetcher.ts";
import { Doorbell } from "../lib/doorbell.ts";
import type { Errand, ErrandOutcome, FetchOutcome, ShareOutcome } from "../lib/errands.ts";
import { runErrand } from "../lib/run-errand.ts";
import type { ChangeToShare } from "../lib/strict-change.ts";
import type { Refusal } from "../lib/worktree/refusals.ts";
import type { Notification } from "../mount/kernel-link.ts";
import { PfsError } from "../schema/errors.ts";
import type { BlobHash, BookId } from "../schema/ids.ts";
import type { LogRow } from "../schema/log-row.ts";
import type { CommitSignal } from "./commit-signal.ts";
import { errorFrom } from "./error-report.ts";
import { moduleFile } from "./module-file.ts";
import type {
  CallName,
  InputOf,
  OutputOf,
  ThreadMessage,
  ThreadReport,
  ThreadStart,
} from "./thread-calls.ts";

/** What the thread tells by itself. */
export interface MountHostEvents {
  onNotify(mountId: number, notification: Notification): void;
  /** The kernel has ended a mount. */
  onEnded(mountId: number): void;
  /** An archive is begun for somebody who reads it in a mount. To be called back when it has ended. */
  onArchive(): (outcome: "whole" | "failed") => void;
  /** Somebody reads the metrics in a mount. */
  onMetrics(): Promise<string>;
  /** Somebody opens a file whose bytes are on a remote only. Never fails. */
  onFetch(hash: BlobHash): Promise<FetchOutcome>;
  /** What brings bytes here that an archive needs and that are on a remote only. */
  fetcher(): BlobFetcher | undefined;
  /** Somebody waits for the shared log to take a change. Never fails. */
  onShare(change: ChangeToShare): Promise<ShareOutcome>;
  onRow(row: LogRow): void;
  onChanged(books: readonly BookId[]): void;
  onRefusal(bookId: BookId, refusal: Refusal): void;
  /** Something that no request can be blamed for. */
  onFault(operation: string, message: string): void;
  /** The thread has ended without having been asked to: nothing can be served any more. */
  onCrash(error: Error): void;
}

export interface MountHostOptions extends MountHostEvents {
  readonly storeDirectory: string;
  readonly commits: CommitSignal;
  readonly tellsChanges: boolean;
}

/** What requests leave behind is garbage at once: a larger nursery only means more memory between two collections. */
const YOUNG_GENERATION_MB = 3;

interface Pending {
  resolve(output: unknown): void;
  reject(error: Error): void;
}

export class MountHost {
  readonly #events: MountHostEvents;
  readonly #doorbell = new Doorbell();
  readonly #port: MessagePort;
  readonly #worker: Worker;
  readonly #exit: Promise<void>;
  readonly #pending = new Map<number, Pending>();
  readonly #storeDirectory: string;
  readonly #errands = new AbortController();
  #lastId = 0;
  #state: "open" | "leaving" | "ended" = "open";

  /** Opens the store in a thread of its own. @throws as Store.open */
  static async start(options: MountHostOptions): Promise<MountHost> {
    const host = new MountHost(options);
    try {
      await host.#wait(0);
      return host;
    } catch (error) {
      await host.#end();
      throw error;
    }
  }

  private constructor(options: MountHostOptions) {
    this.#events = options;
    const { storeDirectory, commits, tellsChanges } = options;
    this.#storeDirectory = storeDirectory;
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    const start: ThreadStart = {
      storeDirectory,
      doorbellFd: this.#doorbell.fd,
      port: port2,
      commits: commits.memory,
      tellsChanges,
    };
    this.#worker = new Worker(moduleFile("mount-thread"), {
      name: "pfs-mount",
      workerData: start,
      transferList: [port2],
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    });
    this.#exit = new Promise((resolve) => this.#worker.once("exit", () => resolve()));
    this.#worker.on("error", (error) =>
      this.#crash(error instanceof Error ? error : new Error(String(error))),
    );
    this.#worker.on("exit", () => {
      // Its last words may still be on their way: they say better than we can why it has ended.
      for (let got = receiveMessageOnPort(port1); got !== undefined; got = receiveMessageOnPort(port1)) {
        this.#hear(got.message);
      }
      if (this.#state === "open") this.#crash(new Error("the mount thread has ended"));
    });
    this.#port.on("message", (report: ThreadReport) => this.#hear(report));
  }

  /** Asks the thread. @throws what the thread met */
  call<Name extends CallName>(name: Name, input: InputOf<Name>): Promise<OutputOf<Name>> {
    if (this.#state !== "open") {
      return Promise.reject(
        new PfsError("DAEMON_UNREACHABLE", "The daemon is stopping.", { hint: "Try again." }),
      );
    }
    const id = ++this.#lastId;
    const answer = this.#wait(id) as Promise<OutputOf<Name>>;
    this.#send({ type: "call", id, name, input });
    return answer;
  }

  /** A notification of that ticket has reached the kernel, or never will; whether it knew what it was told of. */
  delivered(ticket: number, isKnown: boolean): void {
    if (this.#state === "open") this.#send({ type: "delivered", ticket, isKnown });
  }

  /** Lets the thread close the store and end. The mounts must have ended before. */
  async leave(): Promise<void> {
    if (this.#state !== "open") return this.#exit;
    this.#errands.abort();
    const left = this.call("leave", {});
    this.#state = "leaving";
    await left;
    await this.#end();
  }

  async #end(): Promise<void> {
    if (this.#state === "open") this.#state = "leaving";
    await this.#exit;
    this.#state = "ended";
    this.#port.close();
    this.#doorbell.close();
  }

  #send(message: ThreadMessage): void {
    this.#port.postMessage(message);
    this.#doorbell.ring();
  }

  #wait(id: number): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#pending.set(id, { resolve, reject });
    return promise;
  }

  #hear(report: ThreadReport): void {
    switch (report.type) {
      case "answer":
        this.#take(report.id)?.resolve(report.output);
        break;
      case "failure": {
        const error = errorFrom(report.error);
        const pending = this.#take(report.id);
        if (pending !== undefined) pending.reject(error);
        else this.#events.onFault("closing the store", error.message);
        break;
      }
      case "notify":
        this.#events.onNotify(report.mountId, report.notification);
        break;
      case "errand":
        void this.#run(report.id, report.errand);
        break;
      case "ended":
        this.#events.onEnded(report.mountId);
        break;
      case "rows":
        for (const row of report.rows) this.#events.onRow(row);
        break;
      case "changed":
        this.#events.onChanged(report.books);
        break;
      case "refusal":
        this.#events.onRefusal(report.bookId, report.refusal);
        break;
      case "fault":
        this.#events.onFault(report.operation, report.message);
        break;
    }
  }

  /** How it goes wrong is the thread's to find out, when it does the same itself. */
  async #run(id: number, errand: Errand): Promise<void> {
    const outcome = await this.#outcomeOf(errand).catch(() => undefined);
    if (this.#state === "open") this.#send({ type: "errandDone", id, outcome });
  }

  #outcomeOf(errand: Errand): Promise<ErrandOutcome | undefined> {
    if (errand.type === "metrics") return this.#events.onMetrics();
    if (errand.type === "fetch") return this.#events.onFetch(errand.hash);
    if (errand.type === "share") return this.#events.onShare(errand.change);
    const outcome = runErrand(errand, this.#storeDirectory, {
      signal: this.#errands.signal,
      fetcher: this.#events.fetcher(),
    });
    if (errand.type === "archive") {
      const ended = this.#events.onArchive();
      const failed = (): void => ended("failed");
      outcome.then((made) => (hasArchive(made) ? ended("whole") : failed()), failed);
    }
    return outcome;
  }

  #take(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  #crash(error: Error): void {
    const wasStarting = this.#pending.has(0);
    for (const id of [...this.#pending.keys()]) this.#take(id)?.reject(error);
    if (!wasStarting) this.#events.onCrash(error);
  }
}

function hasArchive(outcome: ErrandOutcome | undefined): boolean {
  return typeof outcome === "object" && "archiveBytes" in outcome;
}
