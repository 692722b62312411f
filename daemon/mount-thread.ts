/**
 * The mount thread: opens the store as its one owner and writer (D1), serves every mount of it and does what the main
 * thread asks. Synchronous: must never await, nor touch a mount of its own.
 */
import { receiveMessageOnPort, workerData } from "node:worker_threads";
import { evictBlobs } from "../lib/cache/evict-blobs.ts";
import { collectGarbage } from "../lib/collect-garbage.ts";
import { Doorbell } from "../lib/doorbell.ts";
import { importBatch } from "../lib/import.ts";
import { Library } from "../lib/library.ts";
import { rememberManifest } from "../lib/manifest.ts";
import { retain } from "../lib/retention/move-rows.ts";
import type { Worktree } from "../lib/worktree/worktree.ts";
import type { WrittenFile } from "../lib/worktree/write-file.ts";
import { Loop } from "../mount/loop.ts";
import type { BookId, UserId } from "../schema/ids.ts";
import { parseProfile } from "../schema/profiles.ts";
import { summaryOf } from "./book-summary.ts";
import { CommitSignal } from "./commit-signal.ts";
import { reportOf } from "./error-report.ts";
import { actorFrom } from "./plain-actor.ts";
import { findPosition, restore } from "./restore.ts";
import { SETTLE_AGE_MS } from "./settle-age.ts";
import type {
  CallName,
  InputOf,
  OutputOf,
  ThreadMessage,
  ThreadReport,
  ThreadStart,
} from "./thread-calls.ts";
import { ThreadChanges } from "./thread-changes.ts";
import { threadMetrics } from "./thread-metrics.ts";
import { ThreadMounts } from "./thread-mounts.ts";
import { ThreadRepeats } from "./thread-repeats.ts";
import { ThreadRows } from "./thread-rows.ts";
import { ThreadVacancies } from "./thread-vacancies.ts";

type Handlers = { readonly [Name in CallName]: (input: InputOf<Name>) => OutputOf<Name> };

class MountThread {
  readonly #start: ThreadStart;
  readonly #library: Library;
  readonly #loop: Loop;
  readonly #mounts: ThreadMounts;
  readonly #changes: ThreadChanges;
  readonly #rows = new ThreadRows((rows) => this.#post({ type: "rows", rows }));
  /** Those whose refusals are told. */
  readonly #heard = new WeakSet<Worktree>();
  /** An import is told as a whole, by whoever runs it. */
  #isImporting = false;

  constructor(start: ThreadStart) {
    this.#start = start;
    const signal = new CommitSignal(start.commits);
    this.#library = Library.open(start.storeDirectory, { onCommit: () => signal.raise() });
    const vacancies = new ThreadVacancies(this.#library);
    const repeats = new ThreadRepeats(this.#library);
    const onFault = (error: unknown, operation: string): void => this.#tellFault(error, operation);
    this.#loop = new Loop({
      doorbell: new Doorbell(start.doorbellFd),
      onDoorbell: () => this.#hear(),
      isAtRest: () => !this.#library.store.isReading && this.#mounts.isAtRest,
      beforeWaiting: () => {
        const waits = [vacancies.settle(), repeats.settle(), this.#rows.settle(), this.#changes.tell()];
        const waitMs = waits.reduce(sooner);
        this.#mounts.rest();
        const { store } = this.#library;
        store.rest();
        signal.restartIfRequested(() => void store.checkpoint());
        return waitMs;
      },
      onFault,
    });
    const tell = (report: ThreadReport): void => this.#tell(report);
    this.#changes = new ThreadChanges(this.#library.log, (books) => tell({ type: "changed", books }));
    this.#mounts = new ThreadMounts({ library: this.#library, loop: this.#loop, tell, onFault });
    if (start.tellsChanges) {
      this.#library.log.onRow((row) => {
        if (!this.#isImporting) this.#rows.add(row);
      });
    }
  }

  /** Serves until asked to leave, then calls `left`. */
  run(left: () => void): void {
    this.#library.settleLeftOverlays();
    this.#tell({ type: "answer", id: 0, output: undefined });
    this.#loop.runInTurns(left);
  }

  close(): void {
    this.#mounts.closeAll();
    this.#library.close();
    this.#rows.flush();
  }

  readonly #handlers: Handlers = {
    createBook: ({ bookId, profileJson, ...wishes }) =>
      summaryOf(this.#library.createBook(bookId, parseProfile(profileJson), wishes)),
    findBook: ({ bookId }) => summaryOf(this.#library.books.get(bookId)),
    serve: (input) => {
      this.#worktree(input.bookId, input.userId);
      this.#mounts.serve(input);
    },
    hasDelivered: ({ ticket }) => this.#mounts.deliveries.hasDelivered(ticket),
    closeDevice: ({ mountId }) => this.#mounts.close(mountId) as undefined,
    importBatch: ({ bookId, files, directories, actor }) => {
      this.#isImporting = true;
      try {
        return importBatch(this.#worktree(bookId), files, directories, actorFrom(actor));
      } finally {
        this.#isImporting = false;
      }
    },
    writeFile: ({ bookId, userId, file, actor, ...wishes }) => {
      const write = (worktree: Worktree): WrittenFile => worktree.write(file, wishes, actorFrom(actor));
      const base = this.#worktree(bookId);
      return userId === undefined ? write(base) : this.#mounts.withOverlay(bookId, userId, write);
    },
    deleteFile: ({ bookId, path, actor }) => ({
      outcome: this.#worktree(bookId).delete(path, actorFrom(actor)),
    }),
    renamePaths: ({ bookId, renames, actor }) =>
      this.#worktree(bookId).renamePaths(renames, actorFrom(actor)),
    findPosition: ({ bookId, reference }) => {
      this.#worktree(bookId);
      return findPosition(this.#library, bookId, reference);
    },
    restore: (input) => {
      this.#worktree(input.bookId);
      return restore(this.#library, input);
    },
    tellManifest: ({ bookId }) => {
      this.#worktree(bookId).settle(SETTLE_AGE_MS);
      const { hash: manifestHash, seq } = this.#library.manifest(bookId).tell();
      return { manifestHash, seq };
    },
    rememberManifest: ({ bookId, ...manifest }) =>
      rememberManifest(this.#library.store, bookId, manifest) as undefined,
    settle: ({ bookId, minimumAgeMs }) => {
      if (bookId !== undefined) this.#worktree(bookId);
      for (const worktree of this.#library.openWorktrees()) {
        if (bookId !== undefined && worktree.book.bookId !== bookId) continue;
        worktree.settle(minimumAgeMs);
        worktree.settleRefusals(minimumAgeMs);
      }
    },
    revert: ({ bookId, userId, paths, actor }) =>
      this.#mounts.withOverlay(bookId, userId, (overlay) => overlay.revert(paths, actorFrom(actor))),
    publishOverlay: ({ bookId, userId, paths, actor }) =>
      this.#mounts.withOverlay(bookId, userId, (overlay) => overlay.publish(paths, actorFrom(actor))),
    resolveConflict: ({ id, choice, actor }) => this.#library.resolveConflict(id, choice, actorFrom(actor)),
    collectGarbage: (garbage) => collectGarbage(this.#library, garbage),
    retain: (step) => retain(this.#library.store, step),
    shareBook: ({ bookId, remote, isClone }) => this.#library.shareBook(bookId, remote, isClone) as undefined,
    saveBlobUses: () => this.#library.blobs.uses.save(),
    evictBlobs: (eviction) => evictBlobs(this.#library, eviction),
    unshareBook: ({ bookId }) => this.#library.unshareBook(bookId) as undefined,
    followRemote: ({ bookId, page }) => {
      this.#worktree(bookId);
      return this.#library.followRemote(bookId, page);
    },
    followSnapshot: ({ bookId, page }) => {
      this.#worktree(bookId);
      return this.#library.followSnapshot(bookId, page);
    },
    noteShared: ({ bookId, pairs, blobs, until }) =>
      this.#library.noteShared(bookId, pairs, blobs, until) as undefined,
    noteSynced: ({ bookId, timeMs }) => this.#library.noteSynced(bookId, timeMs) as undefined,
    storeBlobs: ({ blobs }) => this.#library.storeBlobs(blobs) as undefined,
    status: () => ({
      seq: this.#library.log.seq,
      head: this.#library.log.head,
      books: this.#library.openWorktrees().map(({ book, draftCount }) => ({
        book: book.bookId,
        drafts: draftCount,
      })),
    }),
    metrics: () => threadMetrics(this.#library),
    leave: () => this.#loop.stop() as undefined,
  };

  #worktree(bookId: BookId, userId?: UserId): Worktree {
    const worktree = this.#library.worktree(bookId, userId);
    if (this.#start.tellsChanges && !this.#heard.has(worktree)) {
      this.#heard.add(worktree);
      worktree.refusals.onRefusal((refusal) => this.#tell({ type: "refusal", bookId, refusal }));
    }
    return worktree;
  }

  #hear(): void {
    const { port } = this.#start;
    for (let got = receiveMessageOnPort(port); got !== undefined; got = receiveMessageOnPort(port)) {
      const message = got.message as ThreadMessage;
      if (message.type === "delivered") this.#mounts.deliveries.delivered(message.ticket, message.isKnown);
      else if (message.type === "errandDone") this.#mounts.errands.done(message.id, message.outcome);
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
    this.#rows.flush();
    this.#post(report);
  }

  #post(report: ThreadReport): void {
    this.#start.port.postMessage(report);
  }
}

/** The shorter of two waits; -1 is one without an end. */
function sooner(waitMs: number, otherMs: number): number {
  return waitMs < 0 ? otherMs : otherMs < 0 ? waitMs : Math.min(waitMs, otherMs);
}

function main(start: ThreadStart): void {
  const { port } = start;
  // Only opening the store throws, and closing it.
  const orFail = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      port.postMessage({ type: "failure", id: 0, error: reportOf(error) } satisfies ThreadReport);
      port.close();
    }
  };
  orFail(() => {
    const thread = new MountThread(start);
    thread.run(() =>
      orFail(() => {
        thread.close();
        port.close();
      }),
    );
  });
}

main(workerData as ThreadStart);
