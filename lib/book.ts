/**
 * Owns which books a store holds, and what each book allows. Must never look into a book's tree.
 */
import type { Statement } from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";
import { type BookId, type FileId, newFileId } from "../schema/ids.ts";
import { type Profile, parseProfile, profileToJson } from "../schema/profiles.ts";
import { FileType } from "./node.ts";
import type { Store } from "./store.ts";
import { now, toNanoseconds } from "./time.ts";

/** Largest file that a book takes unless it says otherwise: 4 GiB. */
export const DEFAULT_FILE_SIZE_LIMIT_BYTES = 4 * 1024 ** 3;

export interface Book {
  readonly bookId: BookId;
  /** Inode of the root directory. */
  readonly rootId: FileId;
  readonly profile: Profile;
  readonly fileSizeLimitBytes: number;
  /** ISO 8601. */
  readonly createdAt: string;
}

export interface BookRow {
  readonly book_id: string;
  readonly root_id: number;
  readonly profile: string;
  readonly file_size_limit: number;
  readonly created_at: string;
}

/** What a book that is made need not have of its own. */
export interface BookWishes {
  readonly fileSizeLimitBytes?: number | undefined;
  /** Of the same book elsewhere, whose root has the same inode number (I1). */
  readonly rootId?: FileId | undefined;
}

const DIRECTORY_MODE = FileType.directory | 0o755;

export class Books {
  readonly #store: Store;
  readonly #select: Statement<[string], BookRow>;
  readonly #selectAll: Statement<[], BookRow>;

  constructor(store: Store) {
    this.#store = store;
    this.#select = store.database.prepare("SELECT * FROM book WHERE book_id = ?");
    this.#selectAll = store.database.prepare("SELECT * FROM book ORDER BY book_id");
  }

  /** @throws PfsError EXISTS */
  create(
    bookId: BookId,
    profile: Profile,
    { fileSizeLimitBytes = DEFAULT_FILE_SIZE_LIMIT_BYTES, rootId = newFileId() }: BookWishes = {},
  ): Book {
    const { database } = this.#store;
    return this.#store.transaction(() => {
      if (this.#select.get(bookId) !== undefined) {
        throw new PfsError("EXISTS", `The book ${bookId} is already in the store ${this.#store.directory}.`, {
          hint: "Choose another name, or go on with this one.",
        });
      }
      const time = toNanoseconds(now());
      database
        .prepare(
          "INSERT INTO book (book_id, root_id, profile, file_size_limit, created_at) VALUES (?, ?, ?, ?, ?)",
        )
        .run(
          bookId,
          rootId,
          JSON.stringify(profileToJson(profile)),
          fileSizeLimitBytes,
          new Date().toISOString(),
        );
      database
        .prepare("INSERT INTO worktree_node (file_id, mode, nlink, mtime, ctime) VALUES (?, ?, 2, ?, ?)")
        .run(rootId, DIRECTORY_MODE, time, time);
      return this.get(bookId);
    });
  }

  /** @throws PfsError NOT_FOUND */
  get(bookId: BookId): Book {
    const row = this.#select.get(bookId);
    if (row === undefined) {
      const known = this.list().map((book) => book.bookId);
      throw new PfsError("NOT_FOUND", `There is no book ${bookId} in the store ${this.#store.directory}.`, {
        hint:
          known.length === 0
            ? "Make one with `pfs init BOOK` or `pfs import BOOK DIR`."
            : `It holds: ${known.join(", ")}.`,
      });
    }
    return toBook(row);
  }

  find(bookId: BookId): Book | undefined {
    const row = this.#select.get(bookId);
    return row === undefined ? undefined : toBook(row);
  }

  list(): Book[] {
    return this.#selectAll.all().map(toBook);
  }
}

export function toBook(row: BookRow): Book {
  return {
    bookId: row.book_id as BookId,
    rootId: row.root_id as FileId,
    profile: parseProfile(JSON.parse(row.profile)),
    fileSizeLimitBytes: row.file_size_limit,
    createdAt: row.created_at,
  };
}
