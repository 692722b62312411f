/**
 * The mount thread: opens the store as its one owner and writer (D1), serves every mount of it and does what the main
 * thread asks. Synchronous: must never await, nor touch a mount of its own.
 */
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import type { Book } from "../lib/book.ts";
import { Doorbell } from "../lib/doorbell.ts";
import { importBatch } from "../lib/import.ts";
import { Library } from "../lib/library.ts";
import type { Worktree } from "../lib/worktree/worktree.ts";
import { Loop } from "../mount/loop.ts";
import type { BookId } from "../schema/ids.ts";
import { parseProfile, profileToJson } from "../schema/profiles.ts";
import { CommitSignal } from "./commit-signal.ts";
import { reportOf } from "./error-report.ts";
import { actorFrom } from "./plain-actor.ts";
import type {
  BookSummary,
  CallName,
  InputOf,
  OutputOf,
  ThreadMessage,
  ThreadReport,
  ThreadStart,
} from "./thread-calls.ts";
import { ThreadMounts } from "./thread-mounts.ts";
import { ThreadVacancies } from "./thread-vacancies.ts";

type Handlers = { readonly [Name in CallName]: (input: InputOf<Name>) => OutputOf<Name> };

class MountThread {
  readonly #start: ThreadStart;
  readonly #library: Library;
  readonly #loop: Loop;
  readonly #mounts: ThreadMounts;
  /** Books whose refusals are told. */
  readonly #heard = new Set<BookId>();
  /** An import is told as a whole, by whoever runs it. */
  #isImporting = false;

  constructor(start: ThreadStart) {
    this.#start = start;
    const signal = new CommitSignal(start.commits);
    this.#library = Library.open(start.storeDirectory, { onCommit: () => signal.raise() });
    const vacancies = new ThreadVacancies(this.#library);
    const onFault = (error: unknown, operation: string): void => this.#tellFault(error, operation);
    this.#loop = new Loop({
      doorbell: new Doorbell(start.doorbellFd),
      onDoorbell: () => this.#hear(),
      beforeWaiting: () => {
        const waitMs = vacancies.settle();
        this.#library.store.rest();
        return waitMs;
      },
      onFault,
    });
    const tell = (report: ThreadReport): void => this.#tell(report);
    this.#mounts = new ThreadMounts({ library: this.#library, loop: this.#loop, tell, onFault });
    if (start.tellsChanges) {
      this.#library.log.onRow((row) => {
        if (!this.#isImporting) tell({ type: "row", row });
      });
    }
  }

  /** Serves until asked to leave, then closes the store. */
  run(): void {
    this.#tell({ type: "answer", id: 0, output: undefined });
    this.#loop.run();
    this.#mounts.closeAll();
    this.#library.close();
  }

  readonly #handlers: Handlers = {
    createBook: ({ bookId, profileJson }) =>
      summaryOf(this.#library.createBook(bookId, parseProfile(profileJson))),
    findBook: ({ bookId }) => summaryOf(this.#library.books.get(bookId)),
    serve: (input) => {
      this.#worktree(input.bookId);
      this.#mounts.serve(input);
    },
    closeDevice: ({ mountId }) => this.#mounts.close(mountId) as undefined,
    importBatch: ({ bookId, files, directories, actor }) => {
      this.#isImporting = true;
      try {
        return importBatch(this.#worktree(bookId), files, directories, actorFrom(actor));
      } finally {
        this.#isImporting = false;
      }
    },
    deleteFile: ({ bookId, path, actor }) => ({
      outcome: this.#worktree(bookId).delete(path, actorFrom(actor)),
    }),
    settle: ({ bookId, minimumAgeMs }) => {
      const worktrees = bookId === undefined ? this.#library.openWorktrees() : [this.#worktree(bookId)];
      for (const worktree of worktrees) worktree.settle(minimumAgeMs);
    },
    status: () => ({
      seq: this.#library.log.seq,
      head: this.#library.log.head,
      books: this.#library.openWorktrees().map(({ book, draftCount }) => ({
        book: book.bookId,
        drafts: draftCount,
      })),
    }),
    leave: () => this.#loop.stop() as undefined,
  };

  #worktree(bookId: BookId): Worktree {
    const worktree = this.#library.worktree(bookId);
    if (this.#start.tellsChanges && !this.#heard.has(bookId)) {
      this.#heard.add(bookId);
      worktree.refusals.onRefusal((refusal) => this.#tell({ type: "refusal", bookId, refusal }));
    }
    return worktree;
  }

  #hear(): void {
    const { port } = this.#start;
    for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
      const message = got.message as ThreadMessage;
      if (message.type === "delivered") this.#mounts.deliveries.delivered(message.ticket);
      else this.#answer(message);
    }
  }

  #answer({ id, name, input }: ThreadMessage & { type: "call" }): void {
    const handler = this.#handlers[name] as (input: unknown) => unknown;
    try {
      this.#tell({ type: "answer", id, output: handler(input) });
    } catch (error) {
      this.#tell({ type: "failure", id, error: reportOf(error) });
    }
  }

  #tellFault(error: unknown, operation: string): void {
    const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.#tell({ type: "fault", operation, message });
  }

  #tell(report: ThreadReport): void {
    this.#start.port.postMessage(report);
  }
}

function summaryOf({ bookId, profile }: Book): BookSummary {
  return { book: bookId, profile: profile.name, profileJson: profileToJson(profile) };
}

function main(start: ThreadStart): void {
  try {
    new MountThread(start).run();
  } catch (error) {
    // Only opening the store throws, and closing it.
    start.port.postMessage({ type: "failure", id: 0, error: reportOf(error) } satisfies ThreadReport);
  }
  start.port.close();
}

main(workerData as ThreadStart);
