/**
 * Owns reading a store from beside its owner: a second connection that cannot write, for the daemon's main thread and for
 * commands. Must never change anything in the store, nor wait for its owner, but where it was given what fetches bytes.
 */
import { createHash, hash } from "node:crypto";
import { existsSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import type Sqlite from "better-sqlite3";
import type { Statement } from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";
import { BASE, type BlobHash, type BookId, type FileId } from "../schema/ids.ts";
import { GENESIS_HASH } from "../schema/log-row.ts";
import type { TreePath } from "../schema/paths.ts";
import { isScratchName } from "../schema/scratch.ts";
import { absentBytes, isOnRemote, unfetched } from "./absent-bytes.ts";
import type { BlobFetcher } from "./blob-fetcher.ts";
import { type Book, type BookRow, toBook } from "./book.ts";
import { type Conflict, countConflicts, listConflicts } from "./conflict-table.ts";
import { asDamage, databaseFile, foreign, holdsStore, noStore } from "./database-file.ts";
import { allocatePageAligned } from "./libc.ts";
import { APPLICATION_ID, newestVersion, tooNew } from "./migrations.ts";
import { connect, readSchemaOnce } from "./store-database.ts";
import { fromQuotient, type Time } from "./time.ts";
import { asUnwritable } from "./unwritable.ts";

/** One file of a book as the journal has it. */
export interface BookFile {
  readonly path: TreePath;
  readonly sha256: BlobHash;
  readonly sizeBytes: number;
  /** 100644, 100755 or 120000 (octal), as in git. */
  readonly mode: number;
  readonly mtime: Time;
  readonly fileId: FileId;
}

interface FileRow extends Omit<BookFile, "mtime"> {
  readonly mtimeS: number;
  readonly mtimeN: number;
}

/** Position of the log. */
export interface LogHead {
  /** Of the last row; 0 for an empty log. */
  readonly seq: number;
  readonly entryHash: string;
}

const SELECT_FILES = `SELECT path, sha256, size AS sizeBytes, mode, mtime / 1000000000 AS mtimeS,
  mtime % 1000000000 AS mtimeN, file_id AS fileId FROM file_journal`;
const PAGE_ROWS = 1000;
const CHUNK_BYTES = 1024 * 1024;

export class StoreReader {
  readonly directory: string;
  /** For this floor's own use: history, validate, export, verify. */
  readonly database: Sqlite.Database;
  /** What brings bytes here that are on a remote only, when they are read; without it they are UNAVAILABLE. */
  fetcher: BlobFetcher | undefined;
  /** Of a snapshot, which does not see what came since. */
  #beside: StoreReader | undefined;
  readonly #file: Statement<unknown[], FileRow>;
  readonly #files: Statement<unknown[], FileRow>;
  readonly #blob: Statement<unknown[], { size: number; data: Buffer | null }>;
  readonly #isHere: Statement<unknown[], unknown>;

  private constructor(directory: string, database: Sqlite.Database) {
    this.directory = directory;
    this.database = database;
    this.#file = database.prepare(
      `${SELECT_FILES} WHERE book_id = ? AND path = ? AND user_id = ? AND parent IS NOT NULL`,
    );
    this.#files = database.prepare(
      `${SELECT_FILES} WHERE book_id = ? AND path > ? AND path < ? AND user_id = ? AND parent IS NOT NULL
       ORDER BY path LIMIT ?`,
    );
    this.#blob = database.prepare("SELECT size, data FROM blob WHERE sha256 = ?");
    this.#isHere = database.prepare("SELECT 1 FROM blob WHERE sha256 = ?");
  }

  /**
   * Opens the store in `directory` for reading; its owner may be at work.
   * @throws PfsError NOT_FOUND, STORE_DAMAGED, UNSUPPORTED_VERSION, READ_ONLY
   */
  static open(directory: string): StoreReader {
    if (!holdsStore(directory)) throw noStore(directory);
    return StoreReader.#connect(directory);
  }

  /**
   * The same in a process that has the store open already. The file must not be looked at as bytes there: closing it
   * would drop the locks that SQLite has on it (https://www.sqlite.org/howtocorrupt.html, 2.2).
   * @throws as {@link open}
   */
  static openBeside(directory: string): StoreReader {
    return StoreReader.#connect(directory);
  }

  static #connect(directory: string): StoreReader {
    const file = databaseFile(directory);
    if (!existsSync(file)) throw noStore(directory);
    let database: Sqlite.Database | undefined;
    try {
      database = connect(file, { readonly: true, fileMustExist: true });
      checkVersion(database, file);
      database.pragma("trusted_schema = OFF");
      readSchemaOnce(database);
      return new StoreReader(directory, database);
    } catch (error) {
      database?.close();
      throw asUnwritable(asDamage(error, file), directory);
    }
  }

  /** A reader of its own that sees the store as it is now, until it is closed. To be closed soon. */
  openSnapshot(): StoreReader {
    const snapshot = StoreReader.openBeside(this.directory);
    snapshot.fetcher = this.fetcher;
    snapshot.database.exec("BEGIN");
    // SQLite takes the snapshot at the first read.
    snapshot.head();
    return snapshot;
  }

  close(): void {
    this.#beside?.close();
    this.database.close();
  }

  listBooks(): Book[] {
    return (this.database.prepare("SELECT * FROM book ORDER BY book_id").all() as BookRow[]).map(toBook);
  }

  /** @throws PfsError NOT_FOUND */
  book(bookId: BookId): Book {
    const row = this.database.prepare("SELECT * FROM book WHERE book_id = ?").get(bookId);
    if (row !== undefined) return toBook(row as BookRow);
    const known = this.listBooks().map((book) => book.bookId);
    throw new PfsError("NOT_FOUND", `There is no book ${bookId} in the store ${this.directory}.`, {
      hint:
        known.length === 0
          ? "Make one with `pfs init BOOK` or `pfs import BOOK DIR`."
          : `It holds: ${known.join(", ")}.`,
    });
  }

  /** Position of the log's last row. */
  head(): LogHead {
    const row = this.database
      .prepare("SELECT seq, entry_hash AS entryHash FROM audit_log ORDER BY seq DESC LIMIT 1")
      .get() as LogHead | undefined;
    return row ?? { seq: 0, entryHash: GENESIS_HASH };
  }

  /** Number of a book's files and their bytes. Reads the whole journal of the book. @throws PfsError NOT_FOUND */
  countFiles(bookId: BookId): { files: number; sizeBytes: number } {
    this.book(bookId);
    return this.database
      .prepare(
        `SELECT count(*) AS files, coalesce(sum(size), 0) AS sizeBytes FROM file_journal
         WHERE book_id = ? AND user_id = ? AND parent IS NOT NULL`,
      )
      .get(bookId, BASE) as { files: number; sizeBytes: number };
  }

  /**
   * The files of a book, bytewise sorted by path; with `prefix` that file, or what is below that directory. Reads as it
   * is asked, a page at a time. @throws PfsError NOT_FOUND: no such book
   */
  *filesOf(bookId: BookId, prefix = "", layer = BASE): Generator<BookFile, void> {
    this.book(bookId);
    const single = prefix === "" ? undefined : this.file(bookId, prefix, layer);
    if (single !== undefined) yield single;
    // "0" is the character after "/": what begins with `prefix/` is from there up to `prefix0`.
    // SQLite sorts every text before every blob, so that an empty blob is the end of all paths.
    const end = prefix === "" ? new Uint8Array(0) : `${prefix}0`;
    for (let after = prefix === "" ? "" : `${prefix}/`; ; ) {
      const rows = this.#files.all(bookId, after, end, layer, PAGE_ROWS);
      for (const row of rows) yield toFile(row);
      if (rows.length < PAGE_ROWS) return;
      after = rows.at(-1)!.path;
    }
  }

  /** The directories of a book, empty ones too, each before what is in it; those of scratch (S1) are left out. */
  *directoriesOf(bookId: BookId): Generator<string, void> {
    const children = this.database.prepare<unknown[], { fileId: FileId; name: string }>(
      `SELECT e.file_id AS fileId, e.name FROM worktree_entry e
       JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id
       WHERE e.parent = +? AND e.user_id = '${BASE}' AND w.mode & 61440 = 16384 ORDER BY e.name`,
    );
    const { rootId, profile } = this.book(bookId);
    const waiting: [fileId: FileId, path: string][] = [[rootId, ""]];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      const [parent, path] = next;
      if (path !== "") yield path;
      for (const { fileId, name } of children.all(parent).reverse()) {
        const child = path === "" ? name : `${path}/${name}`;
        if (!isScratchName(name) && profile.admitsDirectory(child)) waiting.push([fileId, child]);
      }
    }
  }

  /** What was refused and nobody has decided about yet, oldest first; of one book if one is named. @throws PfsError NOT_FOUND */
  conflicts(bookId?: BookId): Conflict[] {
    if (bookId !== undefined) this.book(bookId);
    return listConflicts(this.database, bookId);
  }

  /** How many those are. */
  countConflicts(): number {
    return countConflicts(this.database);
  }

  /** The file at a path. */
  file(bookId: BookId, path: string, layer = BASE): BookFile | undefined {
    const row = this.#file.get(bookId, path, layer);
    return row === undefined ? undefined : toFile(row);
  }

  /**
   * All bytes of a blob, verified. Large ones too: they are read at once; {@link readChunks} does not.
   * @param path for the message
   * @throws PfsError CORRUPT; UNAVAILABLE: they are on the remote only, and cannot be fetched
   */
  async readBytes(blobHash: BlobHash, path: string): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of this.readChunks(blobHash, path)) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  }

  /**
   * The bytes of a blob, piece by piece; each is valid until the next is asked for. That they are wrong shows at the end
   * only: what was made of them must be thrown away then.
   * @param chunk where pieces of large blobs are put, for who reads many: one that fits stays there until it is used again
   * @throws PfsError CORRUPT, after the last piece; UNAVAILABLE: they are on the remote only, and cannot be fetched
   */
  async *readChunks(blobHash: BlobHash, path: string, chunk?: Uint8Array): AsyncGenerator<Uint8Array, void> {
    try {
      yield* this.#readHere(blobHash, path, chunk);
      return;
    } catch (error) {
      // They are here or not before the first piece.
      const isAbsent = error instanceof PfsError && error.code === "UNAVAILABLE";
      if (!isAbsent || this.fetcher === undefined) throw error;
      const failure = (await this.fetcher.fetch([blobHash])).get(blobHash);
      if (failure !== undefined) throw unfetched(path, failure);
    }
    if (this.database.inTransaction) this.#beside ??= StoreReader.openBeside(this.directory);
    yield* (this.#beside ?? this).#readHere(blobHash, path, chunk);
  }

  /** Whether the bytes of a blob are on a remote, and not here. */
  lacks(blobHash: BlobHash): boolean {
    return this.#isHere.get(blobHash) === undefined && isOnRemote(this.database, blobHash);
  }

  /** Where a large blob's bytes are. */
  objectPath(blobHash: BlobHash): string {
    return join(this.directory, "objects", blobHash.slice(0, 2), blobHash);
  }

  async *#readHere(blobHash: BlobHash, path: string, chunk?: Uint8Array): AsyncGenerator<Uint8Array, void> {
    const inline = this.#readInline(blobHash, path);
    if (inline !== undefined) {
      yield inline;
      return;
    }
    const object = await open(this.objectPath(blobHash), "r").catch((error: NodeJS.ErrnoException) => {
      throw error.code === "ENOENT" ? absentBytes(this.database, blobHash, path, error) : error;
    });
    try {
      const digest = createHash("sha256");
      const into = chunk ?? allocatePageAligned(0, CHUNK_BYTES);
      for (;;) {
        const { bytesRead } = await object.read(into, 0, into.byteLength, null);
        if (bytesRead === 0) break;
        const piece = into.subarray(0, bytesRead);
        digest.update(piece);
        yield piece;
      }
      if (digest.digest("hex") !== blobHash)
        throw corrupt(blobHash, path, "its stored bytes do not match its hash");
    } finally {
      await object.close();
    }
  }

  #readInline(blobHash: BlobHash, path: string): Buffer | undefined {
    const row = this.#blob.get(blobHash);
    if (row === undefined) throw absentBytes(this.database, blobHash, path);
    if (row.data === null) return undefined;
    if (hash("sha256", row.data, "hex") !== blobHash)
      throw corrupt(blobHash, path, "its stored bytes do not match its hash");
    return row.data;
  }
}

function toFile({ mtimeS, mtimeN, ...row }: FileRow): BookFile {
  return { ...row, mtime: fromQuotient(mtimeS, mtimeN) };
}

function checkVersion(database: Sqlite.Database, file: string): void {
  if (database.pragma("application_id", { simple: true }) !== APPLICATION_ID) throw foreign(file);
  const version = database.pragma("user_version", { simple: true }) as number;
  if (version > newestVersion()) throw tooNew(file, version);
  if (version < newestVersion()) {
    throw new PfsError("UNSUPPORTED_VERSION", `The store ${file} was made by an older pfs.`, {
      hint: "Run `pfs up` once: that brings it up to date.",
    });
  }
}

function corrupt(blobHash: BlobHash, path: string, what: string): PfsError {
  return new PfsError("CORRUPT", `${path} cannot be read: ${what} (${blobHash}).`, {
    path,
    hint: "Run `pfs verify` for all that is damaged, and restore the store from a backup.",
  });
}
