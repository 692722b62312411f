/**
 * Owns the tables of sync of one book: where it is shared, which rows of the log are shared rows or came of one, which bytes
 * the remote is known to have. Must never decide what is done about a row.
 */
import type { Database, Statement } from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";
import { BASE, type BlobHash, type BookId, type FileId, type UserId } from "../schema/ids.ts";
import { LOCAL_OPERATIONS, type LogOperation, type LogRow } from "../schema/log-row.ts";
import type { TreePath } from "../schema/paths.ts";
import { MovedRows } from "./retention/moved-rows.ts";

/** Where a book is shared. */
export interface RemoteOfBook {
  /** Without secrets, as the other. */
  readonly logUrl: string;
  readonly blobsUrl: string;
  /** What the remote log calls itself. */
  readonly remoteId: string;
}

/** How far a book is shared. */
export interface SharedPosition {
  /** Position of the shared log up to which this store has everything. */
  readonly pulledSeq: number;
  /** The entry_hash of the row there, by which it is known again; null: not known, or no row. */
  readonly pulledHash: string | null;
  /** Position of this store's log up to which every row of the book is shared. */
  readonly pushedSeq: number;
}

/** A position of the shared log up to which this store has everything. */
export interface PulledHead {
  readonly seq: number;
  /** Of the row there; null: not known. */
  readonly entryHash: string | null;
}

/** A row of this store's log with its row of the shared log. */
export interface SharedPair {
  readonly seq: number;
  readonly sharedSeq: number;
}

/** A version of a path as a row of the log says it. */
export interface LoggedFile {
  readonly hash: BlobHash;
  readonly size: number;
  readonly mode: number;
  /** Decimal nanoseconds since 1970. */
  readonly mtime: string;
  readonly fileId: FileId;
  /** {@link LogRow.base_hash} */
  readonly baseHash: string | null;
}

/** Of a row of the log that the shared log does not have yet, as far as it was pulled. */
export type UnsettledRow = Pick<
  LogRow,
  "seq" | "operation" | "status" | "prev_path" | "agent_id" | "uid" | "pid" | "command" | "base_hash"
> & { readonly path: TreePath; readonly user_id: UserId; readonly file_id: FileId | null };

/** Where a book is shared and how far, as whoever syncs it needs it. */
export interface RemoteState extends RemoteOfBook, SharedPosition {
  readonly bookId: BookId;
  /** When the last sync went well, milliseconds since 1970; null: that is not known. */
  readonly lastSyncMs: number | null;
}

/** Rows of the log `a` that are for others, too. */
export const IS_FOR_OTHERS = `+a.operation NOT IN (${LOCAL_OPERATIONS})`;

const SELECT_REMOTE = `SELECT book_id AS bookId, log_url AS logUrl, blobs_url AS blobsUrl, remote_id AS remoteId,
  pulled_seq AS pulledSeq, pulled_hash AS pulledHash, pushed_seq AS pushedSeq, last_sync AS lastSyncMs FROM remote`;

/** Undefined for a book that is not shared. */
export function findRemote(database: Database, bookId: BookId): RemoteState | undefined {
  return database.prepare<unknown[], RemoteState>(`${SELECT_REMOTE} WHERE book_id = ?`).get(bookId);
}

/** Where a book was shared until it was shared no more, and how far. */
export type LeftRemote = Pick<RemoteState, "remoteId" | "pulledSeq" | "pulledHash" | "pushedSeq">;

/** Undefined for a book that is shared, or never was. */
export function findLeftRemote(database: Database, bookId: BookId): LeftRemote | undefined {
  return database
    .prepare<unknown[], LeftRemote>(
      `SELECT remote_id AS remoteId, pulled_seq AS pulledSeq, pulled_hash AS pulledHash, pushed_seq AS pushedSeq
       FROM left_remote WHERE book_id = ?`,
    )
    .get(bookId);
}

/** Of all books that are shared. */
export function listRemotes(database: Database): RemoteState[] {
  return database.prepare<unknown[], RemoteState>(`${SELECT_REMOTE} ORDER BY book_id`).all();
}

/** The books whose remote is known to have these bytes. */
export function booksThatShare(database: Database, hash: BlobHash): BookId[] {
  return database
    .prepare<unknown[], BookId>("SELECT book_id FROM remote_blob WHERE sha256 = ?")
    .pluck()
    .all(hash);
}

export class SharedRows {
  readonly #bookId: BookId;
  readonly #position: Statement<unknown[], SharedPosition>;
  readonly #database: Database;
  readonly #setPulled: Statement<unknown[]>;
  readonly #setPushed: Statement<unknown[]>;
  readonly #note: Statement<unknown[]>;
  readonly #noteBlob: Statement<unknown[]>;
  readonly #firstPending: Statement<unknown[], number>;
  readonly #firstOvertaking: Statement<unknown[], number>;
  readonly #lastNoted: Statement<unknown[], number | null>;
  readonly #unsettled: Statement<unknown[], UnsettledRow>;
  readonly #isUnsettled: Statement<unknown[], 1>;
  readonly #lastSynced: Statement<unknown[], LoggedFile & { hash: BlobHash | null }>;
  readonly #own: Statement<unknown[], LogRow>;
  readonly #notedAs: Statement<unknown[], LogRow>;
  readonly #lastView: Statement<unknown[], LogOperation>;
  readonly #isSuperseded: Statement<unknown[], 1>;
  readonly #logEnd: Statement<unknown[], number | null>;

  constructor(database: Database, bookId: BookId) {
    this.#bookId = bookId;
    this.#database = database;
    const notSettled = `${IS_FOR_OTHERS} AND NOT EXISTS (SELECT 1 FROM shared_row s WHERE s.seq = a.seq AND s.shared_seq <= +:pulled)`;
    this.#position = database.prepare(
      "SELECT pulled_seq AS pulledSeq, pulled_hash AS pulledHash, pushed_seq AS pushedSeq FROM remote WHERE book_id = ?",
    );
    this.#setPulled = database.prepare(
      "UPDATE remote SET pulled_seq = :seq, pulled_hash = :entryHash WHERE book_id = :bookId AND pulled_seq < :seq",
    );
    this.#setPushed = database.prepare("UPDATE remote SET pushed_seq = ? WHERE book_id = ?");
    this.#note = database.prepare(
      "INSERT INTO shared_row (seq, book_id, shared_seq) VALUES (?, ?, ?) ON CONFLICT (seq) DO NOTHING",
    );
    this.#noteBlob = database.prepare(
      "INSERT INTO remote_blob (sha256, book_id) VALUES (?, ?) ON CONFLICT DO NOTHING",
    );
    this.#firstPending = database
      .prepare<unknown[], number>(
        `SELECT a.seq FROM audit_log a WHERE a.seq > ? AND +a.book_id = ? AND ${IS_FOR_OTHERS}
         AND NOT EXISTS (SELECT 1 FROM shared_row s WHERE s.seq = a.seq) ORDER BY a.seq LIMIT 1`,
      )
      .pluck();
    this.#firstOvertaking = database
      .prepare<unknown[], number>("SELECT min(seq) FROM shared_row WHERE book_id = ? AND shared_seq > ?")
      .pluck();
    this.#lastNoted = database
      .prepare<unknown[], number | null>("SELECT max(shared_seq) FROM shared_row WHERE book_id = ?")
      .pluck();
    this.#unsettled = database.prepare(
      `SELECT seq, operation, path, user_id, status, file_id, prev_path, agent_id, uid, pid, command, base_hash
       FROM audit_log a WHERE a.seq >= :from AND +a.book_id = :book AND ${notSettled} ORDER BY a.seq`,
    );
    this.#isUnsettled = database
      .prepare<unknown[], 1>(
        `SELECT 1 FROM audit_log a INDEXED BY audit_log_path WHERE a.book_id = :book AND a.path >= :path AND a.path < :end
         AND a.user_id = :user AND a.seq >= :from AND ${notSettled} LIMIT 1`,
      )
      .pluck();
    this.#lastSynced = database.prepare(
      `SELECT a.new_hash AS hash, a.size, a.mode, a.mtime, a.file_id AS fileId, a.base_hash AS baseHash
       FROM audit_log a INDEXED BY audit_log_path CROSS JOIN shared_row s ON s.seq = a.seq
       WHERE a.book_id = ? AND a.path = ? AND a.user_id = ? AND a.status = 'ok' AND s.shared_seq <= ?
       AND NOT EXISTS (SELECT 1 FROM audit_log l INDEXED BY audit_log_path CROSS JOIN shared_row t ON t.seq = l.seq
         WHERE l.book_id = a.book_id AND l.path = a.path AND l.user_id = a.user_id AND l.seq > a.seq
         AND t.shared_seq < s.shared_seq)
       ORDER BY a.seq DESC LIMIT 1`,
    );
    this.#lastView = database
      .prepare<unknown[], LogOperation>(
        `SELECT a.operation FROM audit_log a INDEXED BY audit_log_overlay_file CROSS JOIN shared_row s ON s.seq = a.seq
         WHERE a.file_id = +? AND a.user_id = +? AND a.user_id <> '${BASE}' AND +a.status = 'ok'
         AND +a.operation IN ('hide', 'revert') AND s.shared_seq <= ?
         AND NOT EXISTS (SELECT 1 FROM audit_log l INDEXED BY audit_log_path CROSS JOIN shared_row t ON t.seq = l.seq
           WHERE l.book_id = a.book_id AND l.path = a.path AND l.user_id = a.user_id AND l.seq > a.seq
           AND t.shared_seq < s.shared_seq)
         ORDER BY a.seq DESC LIMIT 1`,
      )
      .pluck();
    this.#own = database.prepare("SELECT * FROM audit_log WHERE seq = ? AND book_id = ?");
    this.#notedAs = database.prepare(
      "SELECT a.* FROM shared_row s JOIN audit_log a ON a.seq = s.seq WHERE s.book_id = ? AND s.shared_seq = ?",
    );
    this.#isSuperseded = database
      .prepare<unknown[], 1>(
        `SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM shared_row WHERE seq = ?) AND EXISTS
         (SELECT 1 FROM audit_log l INDEXED BY audit_log_path JOIN shared_row s ON s.seq = l.seq
          WHERE l.book_id = ? AND l.path = ? AND l.user_id = ? AND l.seq > ?)`,
      )
      .pluck();
    this.#logEnd = database.prepare<unknown[], number | null>("SELECT max(seq) FROM audit_log").pluck();
  }

  /** Undefined for a book that is not shared. */
  position(): SharedPosition | undefined {
    return this.#position.get(this.#bookId);
  }

  /**
   * The book is shared there from now on; where it was before, it goes on. Only within a transaction.
   * @throws PfsError NOT_PERMITTED: rows that another remote would have to get are in segments only
   */
  connect({ logUrl, blobsUrl, remoteId }: RemoteOfBook): void {
    const left = findLeftRemote(this.#database, this.#bookId);
    const isBack = left?.remoteId === remoteId;
    const { pulledSeq = 0, pulledHash = null, pushedSeq = 0 } = isBack ? left : {};
    this.#database
      .prepare(
        `INSERT INTO remote (book_id, log_url, blobs_url, remote_id, pulled_seq, pulled_hash, pushed_seq)
         VALUES (?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(this.#bookId, logUrl, blobsUrl, remoteId, pulledSeq, pulledHash, pushedSeq);
    if (isBack)
      this.#run("INSERT INTO remote_blob SELECT sha256, book_id FROM left_remote_blob WHERE book_id = ?");
    else {
      refuseMovedRows(this.#database, this.#bookId);
      this.#run("DELETE FROM shared_row WHERE book_id = ?");
    }
    this.#forgetLeft();
  }

  /** The book is shared no more; how far that had come is remembered. Only within a transaction. */
  disconnect(): void {
    this.#forgetLeft();
    this.#run(
      `INSERT INTO left_remote (book_id, remote_id, pulled_seq, pulled_hash, pushed_seq)
       SELECT book_id, remote_id, pulled_seq, pulled_hash, pushed_seq FROM remote WHERE book_id = ?`,
    );
    this.#run("INSERT INTO left_remote_blob SELECT sha256, book_id FROM remote_blob WHERE book_id = ?");
    this.#run("DELETE FROM remote_blob WHERE book_id = ?");
    this.#run("DELETE FROM remote WHERE book_id = ?");
  }

  #forgetLeft(): void {
    this.#run("DELETE FROM left_remote_blob WHERE book_id = ?");
    this.#run("DELETE FROM left_remote WHERE book_id = ?");
  }

  #run(sql: string): void {
    this.#database.prepare(sql).run(this.#bookId);
  }

  /** A sync has gone well. A book that is shared no more has none. */
  noteSynced(timeMs: number): void {
    this.#database.prepare("UPDATE remote SET last_sync = ? WHERE book_id = ?").run(timeMs, this.#bookId);
  }

  /** A row of the log is a shared row, or came of it. Only within a transaction. */
  note(seq: number, sharedSeq: number): void {
    this.#note.run(seq, this.#bookId, sharedSeq);
  }

  /**
   * These rows of the log are in the shared log, and these bytes on the remote. Only within a transaction.
   * @param until up to where there is nothing to be pulled, as nobody was in between
   */
  notePushed(pairs: readonly SharedPair[], blobs: readonly BlobHash[], until: PulledHead): void {
    for (const { seq, sharedSeq } of pairs) this.note(seq, sharedSeq);
    for (const hash of blobs) this.noteBlob(hash);
    this.advancePulled(until);
    this.advancePushed();
  }

  /** The remote has these bytes. Only within a transaction. */
  noteBlob(hash: BlobHash): void {
    this.#noteBlob.run(hash, this.#bookId);
  }

  /** Everything up to a position of the shared log is here. Only within a transaction. */
  advancePulled({ seq, entryHash }: PulledHead): void {
    this.#setPulled.run({ seq, entryHash, bookId: this.#bookId });
  }

  /** Moves the position up to which everything is shared as far as it goes. Only within a transaction. */
  advancePushed(): void {
    const position = this.position();
    if (position === undefined) return;
    const first = this.#firstPending.get(position.pushedSeq, this.#bookId);
    const pushedSeq = first === undefined ? (this.#logEnd.get() ?? 0) : first - 1;
    if (pushedSeq > position.pushedSeq) this.#setPushed.run(pushedSeq, this.#bookId);
  }

  /** The first row of the log that may not be in the shared log up to a position. */
  firstUnsettled({ pulledSeq, pushedSeq }: SharedPosition): number {
    return Math.min(pushedSeq + 1, this.#firstOvertaking.get(this.#bookId, pulledSeq) ?? pushedSeq + 1);
  }

  /** The highest position of the shared log that is known here; rows of this store may be there that are yet to be pulled. */
  lastNoted(): number {
    return this.#lastNoted.get(this.#bookId) ?? 0;
  }

  /** Rows of the book from a position of the log on that the shared log, as far as it was pulled, does not have. */
  unsettled(from: number, pulledSeq: number): UnsettledRow[] {
    return this.#unsettled.all({ from, book: this.#bookId, pulled: pulledSeq });
  }

  /** Whether there is such a row among the paths from `path` up to, but not, `end`. */
  hasUnsettled(
    range: { path: string; end: string | Uint8Array },
    user: UserId,
    from: number,
    pulled: number,
  ): boolean {
    return this.#isUnsettled.get({ ...range, book: this.#bookId, user, from, pulled }) !== undefined;
  }

  /**
   * What a path had when the shared log was at a position that was pulled: as the last row says that came of it. Own rows that
   * were taken back before they were shared, as a later row of the path came of an earlier shared one, were refused there.
   */
  syncedAt(path: string, user: UserId, pulledSeq: number): LoggedFile | undefined {
    const row = this.#lastSynced.get(this.#bookId, path, user, pulledSeq);
    return row === undefined || row.hash === null ? undefined : row;
  }

  /** Whether the shared log, as far as it was pulled, hid a file of the base from a user; undefined: no row of this log says. */
  wasHidden(fileId: FileId, user: UserId, pulledSeq: number): boolean | undefined {
    const operation = this.#lastView.get(fileId, user, pulledSeq);
    return operation === undefined ? undefined : operation === "hide";
  }

  /** Whether a row that is not known to be shared was taken back, for what others did to its path. */
  isSuperseded({ seq, path, user_id }: Pick<LogRow, "seq" | "path" | "user_id">): boolean {
    return this.#isSuperseded.get(seq, this.#bookId, path, user_id, seq) !== undefined;
  }

  /** The row of this store's log that is known to be a row of the shared log which was not pulled yet. */
  rowNotedAs(sharedSeq: number): LogRow | undefined {
    return this.#notedAs.get(this.#bookId, sharedSeq);
  }

  /** The row of the book at a position of this store's log. @throws PfsError CORRUPT: it is in a segment that is damaged */
  ownRow(seq: number): LogRow | undefined {
    const here = this.#own.get(seq, this.#bookId);
    if (here !== undefined) return here;
    const moved = MovedRows.of(this.#database).row(seq);
    return moved?.book_id === this.#bookId ? moved : undefined;
  }
}

/** @throws PfsError NOT_PERMITTED */
function refuseMovedRows(database: Database, bookId: BookId): void {
  const horizon = MovedRows.of(database).horizonOf(bookId);
  if (horizon === 0) return;
  throw new PfsError(
    "NOT_PERMITTED",
    `Rows of the log of ${bookId} before position ${horizon} are in segments, which another remote does not get.`,
    { hint: `\`pfs retention ${bookId} --recall\` brings them back; then share it there.` },
  );
}
