/**
 * Owns the sync of all shared books while a daemon runs: each is pushed soon after something was done in it, pulled when its
 * remote tells of rows, and tried again when that fails. Must never write but through the store's owner.
 */
import type { FetchOutcome } from "../lib/errands.ts";
import type { StoreReader } from "../lib/reader.ts";
import type { RemoteCounters } from "../lib/remote/with-metrics.ts";
import { booksThatShare, listRemotes } from "../lib/shared-rows.ts";
import { fetchBlob } from "../lib/sync/fetch-blob.ts";
import type { BlobHash, BookId } from "../schema/ids.ts";
import { reportOf } from "./error-report.ts";
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

/** How long a program that opens a file may be kept waiting for it. */
const FETCH_PATIENCE_MS = 30_000;

export class Syncer {
  readonly #options: SyncerOptions;
  readonly #books = new Map<BookId, SyncedBook>();
  readonly #abort = new AbortController();
  #isClosed = false;

  constructor(options: SyncerOptions) {
    this.#options = options;
    for (const { bookId } of listRemotes(options.reader.database)) this.book(bookId);
  }

  /** The sync of a book that is shared, which goes on from now on. @throws PfsError USAGE: it is not */
  book(bookId: BookId): SyncedBook {
    const known = this.#books.get(bookId);
    if (known !== undefined) return known;
    const book = new SyncedBook({ ...this.#options, bookId });
    // Throws for a book that is not shared.
    book.sync.state();
    if (!this.#isClosed) {
      this.#books.set(bookId, book);
      book.start();
    }
    return book;
  }

  /** Something was done in these books. */
  changed(books: readonly BookId[]): void {
    for (const bookId of books) this.#books.get(bookId)?.changed();
  }

  /** Brings a blob from the remote of a book that has it. Never fails. */
  async fetch(hash: BlobHash): Promise<FetchOutcome> {
    const { reader, owner } = this.#options;
    let failure: unknown;
    for (const bookId of booksThatShare(reader.database, hash)) {
      try {
        const { blobs } = await this.book(bookId).sync.remote();
        const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(FETCH_PATIENCE_MS)]);
        await owner.storeBlobs([await fetchBlob({ blobs, reader, signal }, hash)]);
        return "stored";
      } catch (error) {
        failure = error;
      }
    }
    const { code, message, hint } = reportOf(failure ?? "no book that is shared has these bytes");
    return { failure: { code, message, hint } };
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
