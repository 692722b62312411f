/**
 * Owns what a shared log is, as an interface: where stores that share a book append their rows and read each other's. Must
 * never know which store asks, nor how a book is synced.
 */
import type { BlobHash, BookId, FileId, UserId } from "../../schema/ids.ts";
import type { SharedFile } from "../../schema/shared-file.ts";
import type { RowToShare, SharedRow } from "../../schema/shared-row.ts";
import type { Operations } from "./operations.ts";
import type { RemoteClaims } from "./remote-claims.ts";
import type { LogProbe } from "./remote-probe.ts";

/** A book as a remote knows it. */
export interface SharedBook {
  readonly bookId: BookId;
  /** JSON of parseProfile. */
  readonly profile: unknown;
  /** The longest that a file may be, in bytes. */
  readonly fileSizeLimitBytes: number;
  /** Inode number of the root, which is the same on every machine (I1). */
  readonly rootId: FileId;
}

/** Position of a book's shared log. */
export interface SharedHead {
  /** Of the last row; 0 for an empty log. */
  readonly seq: number;
  /** Its entry_hash. */
  readonly entryHash: string;
}

/** What came of an append. */
export type Appended =
  /** All rows are there now; `seqs` are theirs, in the order of the rows, whether or not this call put them there. */
  | { readonly type: "appended"; readonly seqs: readonly number[]; readonly head: SharedHead }
  /** Nothing was appended: the row at `index` began with another version than the shared journal has now,
   * or others have been there since. */
  | { readonly type: "moved"; readonly index: number; readonly current: BlobHash | null };

/** A file of the base that a user's overlay hides. */
export interface HiddenFile {
  readonly userId: UserId;
  /** Of the base's file: hiding follows it. One that the base does not have any more is hidden by nobody. */
  readonly fileId: FileId;
  /** Where the base had it when it was last told. */
  readonly path: string;
}

/** The shared journal of a book at one position, page by page. */
export interface Snapshot {
  readonly head: SharedHead;
  readonly hidden: readonly HiddenFile[];
  /** To be read once, or not at all, within a minute of each other: the remote keeps the position for as long. */
  readonly pages: AsyncIterable<readonly SharedFile[]>;
}

/** What is told of new rows; to be ended with `close`. */
export interface Watch {
  close(): Promise<void>;
}

export interface RemoteLog extends RemoteClaims {
  /** What the remote log calls itself: 32 hexadecimal digits that it made when it was made. @throws as {@link append} */
  identity(): Promise<string>;
  /** Looks at it without changing anything, not even an older schema. @throws as {@link append} */
  probe(): Promise<LogProbe>;
  listBooks(): Promise<readonly BookId[]>;
  findBook(bookId: BookId): Promise<{ readonly book: SharedBook; readonly head: SharedHead } | undefined>;
  /** Makes the book, unless it is there; answers the one that is there. */
  createBook(book: SharedBook): Promise<SharedBook>;
  /**
   * Appends rows of one book, in order, all or none (W1, O1, R6). An `ok` row needs the shared journal to have its
   * `prev_hash` at its path and layer, its path not to be below a file nor above one, and that no other `ok` row after
   * `pulledSeq`, up to which the sender knows the log, is about its path or file: a version may go and come back. A `refused`
   * row gets the current hash on both sides. A row whose (origin, origin_seq) is there is left as it is there.
   * @throws PfsError UNAVAILABLE: it cannot be reached, and may or may not have been done; NOT_FOUND: no such book;
   *   READ_ONLY; FULL; STORE_DAMAGED: a row of this identity is there, and is another one, or a row could not be kept by
   *   anybody; UNSUPPORTED_VERSION: the remote was made by a newer pfs. All but NOT_FOUND and STORE_DAMAGED may be a
   *   RemoteError that says whether trying again can help.
   */
  append(bookId: BookId, rows: readonly RowToShare[], pulledSeq: number): Promise<Appended>;
  /**
   * Rows with a seq greater than `after`, ascending, `limit` at most; parsed, without a gap, and each with the entry_hash
   * that its place in the chain asks for, from the row at `after` on. That this one is the row that was seen there once says
   * `knownHash`, its entry_hash then; without it that is for the caller to know: verifyPage.
   * @throws PfsError as {@link append}; STORE_DAMAGED: they are not such rows, the log is shorter than `after`, or the row
   *   there has another entry_hash
   */
  rowsAfter(
    bookId: BookId,
    after: number,
    limit: number,
    knownHash?: string | null,
  ): Promise<readonly SharedRow[]>;
  /** The shared journal's files at some paths of a layer; paths without a file are left out. */
  filesAt(bookId: BookId, userId: UserId, paths: readonly string[]): Promise<readonly SharedFile[]>;
  /** Everything the shared journal has of a book, of all layers, bytewise sorted by layer and path. */
  snapshot(bookId: BookId): Promise<Snapshot>;
  /**
   * Calls `onRows` soon after rows were appended to one of the books, by whomever, with the book's head seq; also for every
   * book whenever it may have missed something (at first, and after a connection was lost and made again). Never throws; a
   * watch that cannot be kept goes on trying.
   */
  watch(onRows: (bookId: BookId, seq: number) => void): Watch;
  close(): Promise<void>;
}

/** For the decorators. The pages of a snapshot are not asked for again when they fail: then it is another snapshot. */
export const sharedLogOperations: Operations<RemoteLog> = {
  identity: { type: "answer" },
  probe: { type: "answer" },
  listBooks: { type: "answer" },
  findBook: { type: "answer" },
  createBook: { type: "answer" },
  append: { type: "answer", isSlow: true },
  rowsAfter: { type: "answer" },
  filesAt: { type: "answer" },
  snapshot: { type: "answer" },
  readClaim: { type: "answer" },
  claim: { type: "answer" },
  advanceClaim: { type: "answer" },
  retractClaim: { type: "answer" },
  watch: { type: "own" },
  close: { type: "own" },
};
