/**
 * Owns beginning to share a book: it is made on the remote, and the store remembers where. Must never join a book to one that
 * others have there.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";
import type { RemoteBlobs } from "../remote/remote-blobs.ts";
import type { RemoteLog, SharedBook } from "../remote/remote-log.ts";
import type { LeftRemote, RemoteOfBook } from "../shared-rows.ts";

interface ShareParts {
  readonly book: SharedBook;
  readonly log: Pick<RemoteLog, "identity" | "findBook" | "createBook">;
  readonly blobs: Pick<RemoteBlobs, "has">;
  readonly urls: Omit<RemoteOfBook, "remoteId">;
  /** The remote that the book was shared on until it was shared no more; there it may go on. */
  readonly left: LeftRemote | undefined;
  /** Remembers it in the store. */
  remember(remote: RemoteOfBook): Promise<void>;
}

const NOBODYS = "0".repeat(64) as BlobHash;

/**
 * Log and blobs must have been opened as new: what is missing is made. What was cut off may be done again.
 * @throws PfsError EXISTS: the remote has a book of that name with something in it that was never shared there from here, or another one; UNAVAILABLE and others
 *   of the remote; as Library.shareBook
 */
export async function shareBook({
  book,
  log,
  blobs,
  urls,
  left,
  remember,
}: ShareParts): Promise<RemoteOfBook> {
  const remoteId = await log.identity();
  // Asked for its directory, its bucket, and whether they may be used.
  await blobs.has(NOBODYS);
  await log.createBook(book);
  const found = await log.findBook(book.bookId);
  const isSame =
    found !== undefined &&
    found.book.rootId === book.rootId &&
    JSON.stringify(found.book.profile) === JSON.stringify(book.profile);
  // A shared log that has lost rows is another one than was left.
  const goesOn = left?.remoteId === remoteId && found !== undefined && found.head.seq >= left.pulledSeq;
  if (!isSame || !(found.head.seq === 0 || goesOn)) {
    throw new PfsError("EXISTS", `The remote has a book ${book.bookId} already, which is not this one.`, {
      hint: `\`pfs clone\` brings that one into a store that has no ${book.bookId}.`,
    });
  }
  const remote = { ...urls, remoteId };
  await remember(remote);
  return remote;
}
