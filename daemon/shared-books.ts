/**
 * Owns beginning to share a book and bringing one that is shared, for daemon and commands alike: the order of the steps. Must
 * never write but through the store's owner.
 */
import { measureOutbox } from "../lib/outbox.ts";
import { StoreReader } from "../lib/reader.ts";
import { RemoteCounters } from "../lib/remote/with-metrics.ts";
import { findLeftRemote, findRemote, type LeftRemote } from "../lib/shared-rows.ts";
import { cloneBook } from "../lib/sync/clone-book.ts";
import { shareBook } from "../lib/sync/share-book.ts";
import { PfsError } from "../schema/errors.ts";
import type { BookId } from "../schema/ids.ts";
import { notShared, openRemote } from "./book-sync.ts";
import { findBook } from "./find-book.ts";
import type { RemoteUrls } from "./remote-urls.ts";
import type { StoreOwner } from "./store-owner.ts";

export interface RemoteRequest {
  readonly bookId: BookId;
  readonly urls: RemoteUrls;
}

/** A book with where it is shared. */
export interface SharedBookSummary extends RemoteUrls {
  readonly book: BookId;
}

export interface CloneSummary {
  readonly book: BookId;
  readonly profile: string;
  readonly files: number;
  /** Files that no store should have made, or that have no place in this book. */
  readonly refused: number;
}

/** Somebody waits, or tries again. */
const RETRY = { policy: { attempts: 3, totalMs: 10_000 } };

/** @throws as shareBook of lib/sync/ and openRemote; NOT_FOUND: no such book */
export async function addRemote(
  owner: StoreOwner,
  { bookId, urls }: RemoteRequest,
): Promise<SharedBookSummary> {
  const { profileJson: profile, fileSizeLimitBytes, rootId } = await owner.findBook(bookId);
  const remote = await openRemote(urls, owner.storeDirectory, {
    counters: new RemoteCounters(),
    retry: RETRY,
    isNew: true,
  });
  try {
    await shareBook({
      book: { bookId, profile, fileSizeLimitBytes, rootId },
      ...{ log: remote.log, blobs: remote.blobs, urls, left: leftRemoteOf(owner, bookId) },
      remember: (found) => owner.shareBook(bookId, found),
    });
  } finally {
    await remote.close();
  }
  return { book: bookId, ...urls };
}

function leftRemoteOf({ storeDirectory }: StoreOwner, bookId: BookId): LeftRemote | undefined {
  const reader = StoreReader.openBeside(storeDirectory);
  try {
    return findLeftRemote(reader.database, bookId);
  } finally {
    reader.close();
  }
}

/** What came of ending to share a book. */
export interface UnsharedBookSummary extends SharedBookSummary {
  /** Rows of the log that were never sent there. */
  readonly unsent: number;
}

/** Ends to share a book; nothing of it is lost here, nor there. @throws as Library.unshareBook */
export async function removeRemote(
  owner: StoreOwner,
  reader: StoreReader,
  bookId: BookId,
): Promise<UnsharedBookSummary> {
  await owner.findBook(bookId);
  const state = findRemote(reader.database, bookId);
  if (state === undefined) throw notShared(bookId);
  await owner.settle(bookId);
  const { rows: unsent } = measureOutbox(reader.database, bookId);
  await owner.unshareBook(bookId);
  const { logUrl, blobsUrl } = state;
  return { book: bookId, logUrl, blobsUrl, unsent };
}

/** @param onFiles told how many files there are so far @throws as cloneBook of lib/sync/ and openRemote */
export async function clone(
  owner: StoreOwner,
  { bookId, urls }: RemoteRequest,
  onFiles: (files: number) => void = () => undefined,
): Promise<CloneSummary> {
  const remote = await openRemote(urls, owner.storeDirectory, {
    counters: new RemoteCounters(),
    retry: RETRY,
  });
  try {
    const counts = await cloneBook({
      ...{ bookId, urls, onFiles, log: remote.log },
      begin: async (book, found) => {
        const { profile: profileJson, fileSizeLimitBytes, rootId } = book;
        const present = await findBook(owner, bookId);
        if (present === undefined)
          await owner.createBook({ bookId, profileJson, fileSizeLimitBytes, rootId });
        else if (present.rootId !== rootId)
          throw new PfsError("EXISTS", `The store has a book ${bookId} already, which is another one.`, {
            hint: "Clone into another store: --store DIR.",
          });
        await owner.shareBook(bookId, found, true).catch((error: unknown) => {
          // A clone that was cut off goes on; one that had ended is refused by its first page.
          const isShared = error instanceof PfsError && error.code === "EXISTS";
          if (!isShared || present === undefined) throw error;
        });
      },
      follow: (page) => owner.followSnapshot(bookId, page),
    });
    await owner.noteSynced(bookId, Date.now());
    const { profile } = await owner.findBook(bookId);
    return { book: bookId, profile, ...counts };
  } finally {
    await remote.close();
  }
}
