/**
 * Owns the sync of all shared books while a daemon runs: each is pushed soon after something was done in it, pulled when its
 * remote tells of rows, and tried again when that fails. Must never write but through the store's owner.
 */
import type { BlobFetcher } from "../lib/blob-fetcher.ts";
import type { FetchOutcome, ShareOutcome } from "../lib/errands.ts";
import { refuseLosing } from "../lib/only-remote.ts";
import type { StoreReader } from "../lib/reader.ts";
import type { RemoteBlobs } from "../lib/remote/remote-blobs.ts";
import type { RemoteCounters } from "../lib/remote/with-metrics.ts";
import { findRemote, listRemotes } from "../lib/shared-rows.ts";
import type { ChangeToShare } from "../lib/strict-change.ts";
import { PfsError } from "../schema/errors.ts";
import type { BlobHash, BookId } from "../schema/ids.ts";
import { reportOf } from "./error-report.ts";
import { RemoteFetcher } from "./remote-fetcher.ts";
import { removeRemote, type UnsharedBookSummary } from "./shared-books.ts";
import type { StoreOwner } from "./store-owner.ts";
import type { SyncStatus } from "./sync-status.ts";
import { SyncedBook } from "./synced-book.ts";

export interface SyncerOptions {
  readonly reader: StoreReader;
  readonly owner: StoreOwner;
  readonly counters: RemoteCounters;
  /** Told of each failure that is not the one of before, in a whole sentence. */
  onFailure(bookId: BookId, message: string): void;
}

/** How long nothing may come of a file that a program opens. What comes slowly may take as long as it takes. */
const FETCH_STALL_MS = 30_000;

/** How long a program that saves on a strict mount may be kept waiting. */
const SHARE_PATIENCE_MS = 30_000;
const TOO_LATE = "It did not answer in half a minute. What was to be saved may still have come there.";

export class Syncer {
  readonly #options: SyncerOptions;
  readonly #books = new Map<BookId, SyncedBook>();
  readonly #abort = new AbortController();
  /** For whoever reads many files, and may wait. */
  readonly fetcher: BlobFetcher;
  readonly #openings: BlobFetcher;
  readonly #leaving = new Set<BookId>();
  #isClosed = false;

  constructor(options: SyncerOptions) {
    this.#options = options;
    const { reader, owner } = options;
    const blobsOf = (bookId: BookId): Promise<RemoteBlobs> => this.blobsOf(bookId);
    const { signal } = this.#abort;
    this.fetcher = new RemoteFetcher({ reader, owner, blobsOf, signal });
    this.#openings = new RemoteFetcher({ reader, owner, blobsOf, signal, stallMs: FETCH_STALL_MS });
    for (const { bookId } of listRemotes(options.reader.database)) this.book(bookId);
  }

  /** The sync of a book that is shared, which goes on from now on. @throws PfsError USAGE: it is not */
  book(bookId: BookId): SyncedBook {
    const known = this.#books.get(bookId);
    if (known !== undefined) return known;
    if (this.#leaving.has(bookId))
      throw new PfsError("UNAVAILABLE", `The book ${bookId} is just about to be shared no more.`);
    const book = new SyncedBook({ ...this.#options, bookId });
    // Throws for a book that is not shared.
    book.sync.state();
    if (!this.#isClosed) {
      this.#books.set(bookId, book);
      book.start();
    }
    return book;
  }

  /** Whether a book is being pushed, pulled or published. */
  get isBusy(): boolean {
    return [...this.#books.values()].some((book) => book.sync.isBusy);
  }

  /** Ends to share a book. What was being done for it is broken off. @throws as removeRemote */
  async remove(bookId: BookId): Promise<UnsharedBookSummary> {
    const { reader, owner } = this.#options;
    const book = this.book(bookId);
    // What is refused is refused before anything stops.
    refuseLosing(reader.database, bookId);
    this.#books.delete(bookId);
    this.#leaving.add(bookId);
    try {
      await book.close();
      return await removeRemote(owner, reader, bookId);
    } finally {
      this.#leaving.delete(bookId);
      // Where it was refused after all, it goes on.
      if (findRemote(reader.database, bookId) !== undefined) this.book(bookId);
    }
  }

  /** Something was done in these books. */
  changed(books: readonly BookId[]): void {
    for (const bookId of books) this.#books.get(bookId)?.changed();
  }

  /** The blobs of a shared book's remote. @throws as BookSync.remote */
  async blobsOf(bookId: BookId): Promise<RemoteBlobs> {
    return (await this.book(bookId).sync.remote()).blobs;
  }

  /** Brings a blob that somebody waits for who opens a file. Never fails. */
  async fetchForOpening(hash: BlobHash): Promise<FetchOutcome> {
    const failure = (await this.#openings.fetch([hash])).get(hash);
    if (failure === undefined) return "stored";
    const { code, message, hint } = failure;
    return { failure: { code, message, hint } };
  }

  /** Gives the shared log a change for which somebody waits. Never fails. */
  async share(change: ChangeToShare): Promise<ShareOutcome> {
    const patience = AbortSignal.timeout(SHARE_PATIENCE_MS);
    const signal = AbortSignal.any([this.#abort.signal, patience]);
    const { promise: late, reject } = Promise.withResolvers<never>();
    const giveUp = (): void =>
      reject(new PfsError("UNAVAILABLE", patience.aborted ? TOO_LATE : "The daemon is stopping."));
    signal.addEventListener("abort", giveUp, { once: true });
    try {
      return await Promise.race([this.book(change.bookId).share(change, signal), late]);
    } catch (error) {
      const { code, message, hint } = reportOf(error);
      return { type: "failed", failure: { code, message, hint } };
    } finally {
      signal.removeEventListener("abort", giveUp);
    }
  }

  status(): SyncStatus[] {
    return [...this.#books.values()].map((book) => book.status());
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#abort.abort(new Error("the daemon is stopping"));
    await Promise.all([...this.#books.values()].map((book) => book.close()));
  }
}
