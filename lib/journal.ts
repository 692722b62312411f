/**
 * Owns the statements on the journal: one row per (book, path, user), the log's last state. Must never be written
 * without a log row in the same transaction; lib/worktree/ sees to that.
 */
import type { Statement } from "better-sqlite3";
import type { BlobHash, BookId, FileId, UserId } from "../schema/ids.ts";
import type { StorageBackend } from "./blobs.ts";
import type { Store } from "./store.ts";

/** A row as it is compared and moved. `mtime` and `writtenAt` are nanoseconds since 1970. */
export interface JournalRow {
  readonly path: string;
  readonly sha256: BlobHash;
  readonly size: number;
  readonly mode: number;
  readonly mtime: bigint;
  readonly fileId: FileId;
  readonly storage: StorageBackend;
  readonly writtenAt: bigint;
  /** null while the path is vacated. */
  readonly parent: FileId | null;
  /** In an overlay: hash of the base's version that it was copied from; null when there was none. */
  readonly base: BlobHash | null;
}

interface RawRow extends Omit<JournalRow, "mtime" | "writtenAt"> {
  readonly mtime: string;
  readonly writtenAt: string;
}

// Nanoseconds since 1970 do not fit a double, so they come as text.
const COLUMNS = `path, sha256, size, mode, CAST(mtime AS TEXT) AS mtime, file_id AS fileId, storage_backend AS storage,
  CAST(last_written_at AS TEXT) AS writtenAt, parent, base_sha256 AS base`;

const NO_END = new Uint8Array(0);

/** The journal of one layer of one book. */
export class Journal {
  readonly #bookId: BookId;
  readonly #userId: UserId;
  readonly #byPath: Statement<unknown[], RawRow>;
  readonly #byId: Statement<unknown[], RawRow>;
  readonly #below: Statement<unknown[], RawRow>;
  readonly #firstBelow: Statement<unknown[]>;
  readonly #lastPath: Statement<unknown[], string>;
  readonly #hasFile: Statement<unknown[]>;
  readonly #insert: Statement<unknown[]>;
  readonly #update: Statement<unknown[]>;
  readonly #remove: Statement<unknown[]>;
  readonly #restore: Statement<unknown[]>;
  readonly #vacate: Statement<unknown[]>;
  readonly #count: Statement<unknown[], { files: number; bytes: number }>;

  constructor(store: Store, bookId: BookId, userId: UserId) {
    this.#bookId = bookId;
    this.#userId = userId;
    const key = "book_id = ? AND path = ? AND user_id = ?";
    this.#byPath = store.database.prepare(`SELECT ${COLUMNS} FROM file_journal WHERE ${key}`);
    this.#byId = store.database.prepare(
      `SELECT ${COLUMNS} FROM file_journal WHERE file_id = ? AND user_id = ?`,
    );
    this.#below = store.database.prepare(
      `SELECT ${COLUMNS} FROM file_journal WHERE book_id = ? AND path > ? AND path < ? AND user_id = ? ORDER BY path`,
    );
    this.#firstBelow = store.database.prepare(
      `SELECT 1 FROM file_journal WHERE book_id = ? AND path > ? AND path < ? AND user_id = ? AND parent IS NOT NULL LIMIT 1`,
    );
    this.#lastPath = store.database
      .prepare<unknown[], string>(
        "SELECT path FROM file_journal WHERE book_id = ? AND user_id = ? ORDER BY path DESC LIMIT 1",
      )
      .pluck();
    this.#hasFile = store.database.prepare("SELECT 1 FROM file_journal WHERE file_id = ? AND user_id = ?");
    this.#insert = store.database.prepare(
      `INSERT INTO file_journal (book_id, path, user_id, sha256, size, mode, mtime, file_id, storage_backend,
       last_written_at, parent, base_sha256) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#update = store.database.prepare(
      `UPDATE file_journal SET sha256 = ?, size = ?, mode = ?, mtime = ?, storage_backend = ?, last_written_at = ?,
       parent = ?, base_sha256 = ? WHERE ${key} AND sha256 IS ?`,
    );
    this.#remove = store.database.prepare(`DELETE FROM file_journal WHERE ${key}`);
    this.#restore = store.database.prepare(`UPDATE file_journal SET parent = ? WHERE ${key}`);
    this.#vacate = store.database.prepare(`UPDATE file_journal SET parent = NULL WHERE ${key}`);
    this.#count = store.database.prepare(
      "SELECT count(*) AS files, coalesce(sum(size), 0) AS bytes FROM file_journal WHERE book_id = ? AND user_id = ?",
    );
  }

  /** The row of a path, vacated or not. */
  get(path: string): JournalRow | undefined {
    const row = this.#byPath.get(this.#bookId, path, this.#userId);
    return row === undefined ? undefined : toRow(row);
  }

  /** The row of a file, vacated or not. */
  find(fileId: FileId): JournalRow | undefined {
    const row = this.#byId.get(fileId, this.#userId);
    return row === undefined ? undefined : toRow(row);
  }

  /** All rows below a directory, bytewise sorted by path. */
  below(directory: string): JournalRow[] {
    const [from, to] = rangeBelow(directory);
    return this.#below.all(this.#bookId, from, to, this.#userId).map(toRow);
  }

  /** Whether there is a file below a directory. */
  hasBelow(directory: string): boolean {
    const [from, to] = rangeBelow(directory);
    return this.#firstBelow.get(this.#bookId, from, to, this.#userId) !== undefined;
  }

  /** The last path that has a row, bytewise. */
  lastPath(): string | undefined {
    return this.#lastPath.get(this.#bookId, this.#userId);
  }

  /** Whether some path of the layer has this file, vacated or not. */
  hasFile(fileId: FileId): boolean {
    return this.#hasFile.get(fileId, this.#userId) !== undefined;
  }

  insert(row: JournalRow): void {
    this.#insert.run(
      this.#bookId,
      row.path,
      this.#userId,
      row.sha256,
      row.size,
      row.mode,
      row.mtime,
      row.fileId,
      row.storage,
      row.writtenAt,
      row.parent,
      row.base,
    );
  }

  /** Writes a row whose hash must still be `expected`; false when the journal has moved on. */
  update(row: JournalRow, expected: BlobHash): boolean {
    const { changes } = this.#update.run(
      row.sha256,
      row.size,
      row.mode,
      row.mtime,
      row.storage,
      row.writtenAt,
      row.parent,
      row.base,
      this.#bookId,
      row.path,
      this.#userId,
      expected,
    );
    return changes === 1;
  }

  remove(path: string): void {
    this.#remove.run(this.#bookId, path, this.#userId);
  }

  /** Puts a vacated path back into its directory as it was. */
  restore(path: string, parent: FileId): void {
    this.#restore.run(parent, this.#bookId, path, this.#userId);
  }

  /** Takes a path out of its directory; its row waits there (see vacancies.ts). */
  vacate(path: string): void {
    this.#vacate.run(this.#bookId, path, this.#userId);
  }

  /** Number of files and their bytes. Reads the whole layer. */
  count(): { files: number; bytes: number } {
    return this.#count.get(this.#bookId, this.#userId) as { files: number; bytes: number };
  }
}

function rangeBelow(directory: string): [from: string, to: string | Uint8Array] {
  // "0" is the character after "/": the range holds exactly what begins with `directory/`.
  // SQLite sorts every text before every blob, so that an empty blob is the end of all paths.
  return directory === "" ? ["", NO_END] : [`${directory}/`, `${directory}0`];
}

function toRow(row: RawRow): JournalRow {
  return { ...row, mtime: BigInt(row.mtime), writtenAt: BigInt(row.writtenAt) };
}
