/**
 * Owns the shared log in a directory: a SQLite database that several processes of a machine have open at once. Must never
 * decide what fits: plan-append.ts does.
 */
import { statSync } from "node:fs";
import type Sqlite from "better-sqlite3";
import { PfsError } from "../../schema/errors.ts";
import type { BookId, UserId } from "../../schema/ids.ts";
import { GENESIS_HASH, logColumns } from "../../schema/log-row.ts";
import type { SharedFile } from "../../schema/shared-file.ts";
import type { RowToShare, SharedRow } from "../../schema/shared-row.ts";
import { advanceClaim, claim, readClaim, retractClaim } from "./directory-claims.ts";
import {
  databaseFile,
  explainSqliteError,
  inspectSharedDatabase,
  openSharedDatabase,
  type SharedDatabase,
} from "./directory-database.ts";
import { DirectoryWatch, type DirectoryWatchTimes } from "./directory-watch.ts";
import { parseAnswers, parseBook, parseFile, parseHidden } from "./log-answers.ts";
import { type AppendPlan, checkRows, planAppend, type Questions, questionsOf } from "./plan-append.ts";
import type { Advance, ClaimName, ClaimState } from "./remote-claims.ts";
import type { Appended, RemoteLog, SharedBook, SharedHead, Snapshot, Watch } from "./remote-log.ts";
import type { LogProbe } from "./remote-probe.ts";
import { parsePage } from "./shared-chain.ts";

const PAGE_FILES = 2000;
const FILE_COLUMNS =
  "user_id, path, sha256, size, mode, CAST(mtime AS TEXT) AS mtime, file_id, seq, agent_id, base_hash";
const LOG_COLUMNS = ["origin", "origin_seq", ...logColumns];

interface DirectoryLogOptions {
  /** Makes what is missing. */
  readonly isNew?: boolean;
  readonly watchTimes?: Partial<DirectoryWatchTimes>;
}

export class DirectoryLog implements RemoteLog {
  readonly #directory: string;
  readonly #watchTimes: Partial<DirectoryWatchTimes>;
  readonly #watches = new Set<Watch>();
  /** Of snapshots that are being read, each on a connection of its own. */
  readonly #reading = new Set<SharedDatabase>();
  #isNew: boolean;
  #opened: Opened | undefined;

  /** Nothing is opened yet. @param directory absolute */
  constructor(directory: string, { isNew = false, watchTimes = {} }: DirectoryLogOptions = {}) {
    this.#directory = directory;
    this.#isNew = isNew;
    this.#watchTimes = watchTimes;
  }

  identity(): Promise<string> {
    return this.#read((database) => {
      const id = database.prepare("SELECT remote_id FROM pfs_remote").pluck().get();
      if (typeof id === "string" && /^[0-9a-f]{32}$/.test(id)) return id;
      throw new PfsError("STORE_DAMAGED", `The remote ${this.#directory} does not say what it is.`, {
        hint: "It was left as it is. Restore it from a backup, or name another directory.",
      });
    });
  }

  async probe(): Promise<LogProbe> {
    try {
      return inspectSharedDatabase(this.#directory);
    } catch (error) {
      throw explainSqliteError(error, this.#directory);
    }
  }

  listBooks(): Promise<readonly BookId[]> {
    return this.#read((database) =>
      database
        .prepare("SELECT * FROM book ORDER BY book_id")
        .all()
        .map((row) => toBook(row).book.bookId),
    );
  }

  findBook(bookId: BookId): Promise<{ readonly book: SharedBook; readonly head: SharedHead } | undefined> {
    return this.#read((database) => findBook(database, bookId));
  }

  createBook({ bookId, rootId, profile, fileSizeLimitBytes }: SharedBook): Promise<SharedBook> {
    return this.#change((database) => {
      database
        .prepare(
          `INSERT INTO book (book_id, root_id, profile, file_size_limit, entry_hash) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (book_id) DO NOTHING`,
        )
        .run(bookId, rootId, JSON.stringify(profile), fileSizeLimitBytes, GENESIS_HASH);
      return this.#bookIn(database, bookId).book;
    });
  }

  append(bookId: BookId, rows: readonly RowToShare[], pulledSeq: number): Promise<Appended> {
    return this.#use((shared) => {
      const checked = checkRows(bookId, rows);
      return shared.change((database): Appended => {
        const { head } = this.#bookIn(database, bookId);
        const answers = parseAnswers(ask(database, bookId, questionsOf(checked), pulledSeq));
        const plan = planAppend(bookId, checked, { head, ...answers });
        if (plan.type === "moved") return plan;
        if (plan.rows.length > 0) write(database, bookId, plan);
        return { type: "appended", seqs: plan.seqs, head: plan.head };
      });
    });
  }

  rowsAfter(
    bookId: BookId,
    after: number,
    limit: number,
    knownHash?: string | null,
  ): Promise<readonly SharedRow[]> {
    return this.#read((database) => {
      // The row at `after` comes along, as the next one's hash is over its.
      const from = "FROM audit_log WHERE book_id = ? AND seq >= ?";
      if (database.prepare(`SELECT 1 ${from} LIMIT 1`).get(bookId, after) === undefined)
        this.#bookIn(database, bookId);
      // One by one: in a file that others write a row may have any length.
      const rows = database
        .prepare(`SELECT * ${from} ORDER BY seq LIMIT ?`)
        .iterate(bookId, after, after === 0 ? limit : limit + 1);
      return parsePage(bookId, { after, limit, knownHash }, rows);
    });
  }

  filesAt(bookId: BookId, userId: UserId, paths: readonly string[]): Promise<readonly SharedFile[]> {
    return this.#read((database) =>
      database
        .prepare(
          `SELECT ${FILE_COLUMNS} FROM file_journal WHERE book_id = ? AND user_id = ?
           AND path IN (SELECT value FROM json_each(?)) ORDER BY path`,
        )
        .all(bookId, userId, JSON.stringify(paths))
        .map(parseFile),
    );
  }

  snapshot(bookId: BookId): Promise<Snapshot> {
    return this.#use(() => {
      // A connection of its own: it keeps its position while others write.
      const shared = openSharedDatabase(this.#directory);
      this.#reading.add(shared);
      const end = (): void => {
        this.#reading.delete(shared);
        shared.close();
      };
      try {
        return shared.beginReading((database) => {
          const { head } = this.#bookIn(database, bookId);
          const hidden = database
            .prepare(
              "SELECT user_id, file_id, path FROM hidden_file WHERE book_id = ? ORDER BY user_id, path, file_id",
            )
            .all(bookId);
          const pages = this.#pagesOf(bookId, database, end);
          return { head, hidden: hidden.map(parseHidden), pages };
        });
      } catch (error) {
        end();
        throw error;
      }
    });
  }

  async *#pagesOf(
    bookId: BookId,
    database: Sqlite.Database,
    end: () => void,
  ): AsyncGenerator<readonly SharedFile[], void> {
    try {
      const select = database.prepare(
        `SELECT ${FILE_COLUMNS} FROM file_journal WHERE book_id = ? AND (user_id, path) > (?, ?)
         ORDER BY user_id, path LIMIT ${PAGE_FILES}`,
      );
      let last = { userId: "", path: "" };
      for (;;) {
        const files = this.#attempt(() => select.all(bookId, last.userId, last.path).map(parseFile));
        const bottom = files.at(-1);
        if (bottom === undefined) return;
        yield files;
        if (files.length < PAGE_FILES) return;
        last = bottom;
      }
    } finally {
      end();
    }
  }

  readClaim(name: ClaimName): Promise<ClaimState> {
    return this.#read((database) => readClaim(database, name));
  }

  claim(name: ClaimName, holder: string): Promise<number | undefined> {
    return this.#change((database) => claim(database, name, holder));
  }

  advanceClaim(name: ClaimName, advance: Advance): Promise<boolean> {
    return this.#change((database) => advanceClaim(database, name, advance));
  }

  retractClaim(name: ClaimName, to: number): Promise<void> {
    return this.#change((database) => retractClaim(database, name, to));
  }

  watch(onRows: (bookId: BookId, seq: number) => void): Watch {
    const watch = new DirectoryWatch(this.#directory, onRows, this.#watchTimes);
    this.#watches.add(watch);
    return {
      close: async () => {
        this.#watches.delete(watch);
        await watch.close();
      },
    };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#watches].map((watch) => watch.close()));
    for (const database of this.#reading) database.close();
    this.#reading.clear();
    this.#opened?.database.close();
    this.#opened = undefined;
  }

  /** A database whose file was removed or replaced would go on taking rows that nobody will ever see. */
  #forgetReplaced(): void {
    if (this.#opened === undefined || inodeOf(this.#directory) === this.#opened.inode) return;
    this.#opened.database.close();
    this.#opened = undefined;
  }

  #read<Result>(work: (database: Sqlite.Database) => Result): Promise<Result> {
    return this.#use((shared) => shared.read(work));
  }

  #change<Result>(work: (database: Sqlite.Database) => Result): Promise<Result> {
    return this.#use((shared) => shared.change(work));
  }

  /** What SQLite does at once is a promise to the caller, also where it fails. */
  async #use<Result>(work: (shared: SharedDatabase) => Result): Promise<Result> {
    return this.#attempt(() => {
      this.#forgetReplaced();
      this.#opened ??= openShared(this.#directory, this.#isNew);
      this.#isNew = false;
      return work(this.#opened.database);
    });
  }

  #attempt<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (error) {
      throw explainSqliteError(error, this.#directory);
    }
  }

  #bookIn(
    database: Sqlite.Database,
    bookId: BookId,
  ): { readonly book: SharedBook; readonly head: SharedHead } {
    const found = findBook(database, bookId);
    if (found !== undefined) return found;
    throw new PfsError("NOT_FOUND", `The remote ${this.#directory} has no book ${bookId}.`, {
      hint: "Share it there with `pfs push`, or name another remote.",
    });
  }
}

interface Opened {
  readonly database: SharedDatabase;
  readonly inode: bigint | undefined;
}

function openShared(directory: string, isNew: boolean): Opened {
  return { database: openSharedDatabase(directory, isNew), inode: inodeOf(directory) };
}

function inodeOf(directory: string): bigint | undefined {
  return statSync(databaseFile(directory), { bigint: true, throwIfNoEntry: false })?.ino;
}

function findBook(
  database: Sqlite.Database,
  bookId: BookId,
): { readonly book: SharedBook; readonly head: SharedHead } | undefined {
  const row = database.prepare("SELECT * FROM book WHERE book_id = ?").get(bookId);
  return row === undefined ? undefined : toBook(row);
}

function toBook(row: unknown): { readonly book: SharedBook; readonly head: SharedHead } {
  const { profile, ...others } = row as { profile: unknown };
  let parsed: unknown;
  try {
    parsed = JSON.parse(String(profile));
  } catch {
    // As any other profile that there is not: whoever parses it says so.
  }
  return parseBook({ ...others, profile: parsed });
}

function ask(
  database: Sqlite.Database,
  bookId: BookId,
  { rows, files, below, hidden, touched }: Questions,
  pulledSeq: number,
): unknown {
  const row = database.prepare("SELECT * FROM audit_log WHERE origin = ? AND origin_seq = ?");
  const file = database.prepare(
    "SELECT user_id, path, sha256 FROM file_journal WHERE book_id = ? AND user_id = ? AND path = ?",
  );
  const count = database
    .prepare<unknown[], number>(
      "SELECT count(*) FROM file_journal WHERE book_id = ? AND user_id = ? AND path > ? || '/' AND path < ? || '0'",
    )
    .pluck();
  const hiddenById = database.prepare(
    "SELECT user_id, file_id, path FROM hidden_file WHERE book_id = ? AND file_id = ?",
  );
  const hiddenAt = database.prepare(
    "SELECT user_id, file_id, path FROM hidden_file WHERE book_id = ? AND user_id = ? AND path = ?",
  );
  const touching = database.prepare(
    `SELECT user_id, path, file_id, origin, origin_seq FROM audit_log WHERE book_id = ? AND seq > ? AND status = 'ok' AND (
       (user_id, path) IN (SELECT value ->> 'user_id', value ->> 'path' FROM json_each(?))
       OR (user_id, file_id) IN (SELECT value ->> 'user_id', value ->> 'file_id' FROM json_each(?)))`,
  );
  const touchedJson = JSON.stringify(touched);
  return {
    rows: rows.flatMap(({ origin, origin_seq }) => row.all(origin, origin_seq)),
    files: files.flatMap(({ user_id, path }) => file.all(bookId, user_id, path)),
    below: below.map((each) => ({ ...each, count: count.get(bookId, each.user_id, each.path, each.path) })),
    hidden: hidden.flatMap(({ user_id, path, file_id }) => [
      ...hiddenById.all(bookId, file_id),
      ...hiddenAt.all(bookId, user_id, path),
    ]),
    touched: touching.all(bookId, pulledSeq, touchedJson, touchedJson),
  };
}

function write(database: Sqlite.Database, bookId: BookId, plan: AppendPlan): void {
  const log = database.prepare(
    `INSERT INTO audit_log (${LOG_COLUMNS}) VALUES (${LOG_COLUMNS.map((name) => `@${name}`)})`,
  );
  for (const row of plan.rows) log.run(row);
  const remove = database.prepare("DELETE FROM file_journal WHERE book_id = ? AND user_id = ? AND path = ?");
  for (const { user_id, path } of plan.removed) remove.run(bookId, user_id, path);
  const store = database.prepare(
    `INSERT OR REPLACE INTO file_journal (book_id, user_id, path, sha256, size, mode, mtime, file_id, seq, agent_id,
       base_hash)
     VALUES (@book_id, @user_id, @path, @sha256, @size, @mode, CAST(@mtime AS INTEGER), @file_id, @seq, @agent_id,
       @base_hash)`,
  );
  for (const file of plan.stored) store.run({ book_id: bookId, ...file });
  const show = database.prepare("DELETE FROM hidden_file WHERE book_id = ? AND user_id = ? AND file_id = ?");
  for (const { user_id, file_id } of plan.shown) show.run(bookId, user_id, file_id);
  const hide = database.prepare(
    "INSERT OR REPLACE INTO hidden_file (book_id, user_id, file_id, path) VALUES (?, ?, ?, ?)",
  );
  for (const { user_id, file_id, path } of plan.hidden) hide.run(bookId, user_id, file_id, path);
  database
    .prepare("UPDATE book SET seq = ?, entry_hash = ? WHERE book_id = ?")
    .run(plan.head.seq, plan.head.entryHash, bookId);
}
