/**
 * Owns opening the database of a shared log in a directory, made and migrated by whoever comes first of several processes,
 * and what its failures mean. Must never touch a database that is not one of these.
 */
import { closeSync, constants, fchmodSync, lstatSync, openSync, statSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { type ErrorCode, PfsError } from "../../schema/errors.ts";
import { makeDirectories } from "../make-directories.ts";
import { asDirectoryError, missingRemote, noFile, whyUnwritable } from "./directory-errors.ts";
import { newestSharedVersion, refuseForeignTables, sharedMigrations } from "./directory-schema.ts";
import { RemoteError } from "./remote-error.ts";
import type { LogProbe } from "./remote-probe.ts";

/** Marks the file as ours in SQLite's header (`PRAGMA application_id`): "pfsr". A store has another one. */
const APPLICATION_ID = 0x70667372;
/** How long one waits for other processes to commit before it is tried again later: until then it is the thread that waits. */
const BUSY_MS = 500;

/** The database's file in a remote's directory. */
export function databaseFile(directory: string): string {
  return join(directory, "log.db");
}

/** A shared log's database that is open. Its tables are looked at before each use, as others may have changed them. */
export class SharedDatabase {
  readonly #database: Sqlite.Database;
  readonly #file: string;
  readonly #schemaVersion: Sqlite.Statement<unknown[], number>;
  /** The one whose tables were looked at. */
  #knownVersion: number | undefined;

  constructor(database: Sqlite.Database, file: string) {
    this.#database = database;
    this.#file = file;
    this.#schemaVersion = database.prepare<unknown[], number>("PRAGMA schema_version").pluck();
  }

  /** Calls `work` with what the database has at one moment. @throws as {@link refuseForeignTables} */
  read<Result>(work: (database: Sqlite.Database) => Result): Result {
    return this.#within(work).deferred();
  }

  /** The same, to change it: all of it or nothing. */
  change<Result>(work: (database: Sqlite.Database) => Result): Result {
    return this.#within(work).immediate();
  }

  /** Reads what it has now, whatever others do, until it is closed. */
  beginReading<Result>(work: (database: Sqlite.Database) => Result): Result {
    this.#database.exec("BEGIN");
    this.#refuseForeignTables();
    return work(this.#database);
  }

  close(): void {
    this.#database.close();
  }

  #within<Result>(work: (database: Sqlite.Database) => Result): Sqlite.Transaction<() => Result> {
    return this.#database.transaction(() => {
      this.#refuseForeignTables();
      return work(this.#database);
    });
  }

  #refuseForeignTables(): void {
    const version = this.#schemaVersion.get();
    if (version === this.#knownVersion) return;
    this.#knownVersion = undefined;
    refuseForeignTables(this.#database, this.#file);
    this.#knownVersion = version;
  }
}

/**
 * Opens `DIR/log.db`.
 * @param isNew makes it, and the directory, where there is none: otherwise that is a disk that is not mounted
 * @throws PfsError STORE_DAMAGED: something else is there; UNSUPPORTED_VERSION; USAGE: it cannot be made; RemoteError
 */
export function openSharedDatabase(directory: string, isNew = false): SharedDatabase {
  const file = databaseFile(directory);
  if (isNew) makeDirectories(directory, 0o700);
  if (!isThere(file)) {
    if (!isNew) throw missingRemote(directory);
    makeEmpty(directory, file);
  }
  const database = new Sqlite(file, { timeout: BUSY_MS });
  try {
    // Before anything is written.
    refuseForeign(database, file);
    if (!isNew && read(database, "schema_version") === 0) throw missingRemote(directory);
    database.pragma("trusted_schema = OFF");
    database.pragma("journal_mode = WAL");
    // What was answered as appended is on the disk, as it is in PostgreSQL.
    database.pragma("synchronous = FULL");
    database.pragma("foreign_keys = ON");
    migrate(database, file);
    return new SharedDatabase(database, file);
  } catch (error) {
    database.close();
    throw error;
  }
}

/** What is there, as it is. @throws as {@link openSharedDatabase} of one that is not new */
export function inspectSharedDatabase(directory: string): LogProbe {
  const file = databaseFile(directory);
  if (!isThere(file)) throw missingRemote(directory);
  const refuses = whyUnwritable(directory) ?? whyUnwritable(file);
  const database = new Sqlite(file, { timeout: BUSY_MS, readonly: true });
  try {
    refuseForeign(database, file);
    const schemaVersion = read(database, "user_version");
    if (schemaVersion === 0) throw missingRemote(directory);
    database.pragma("trusted_schema = OFF");
    const remoteId = new SharedDatabase(database, file).read(() =>
      String(database.prepare("SELECT remote_id FROM pfs_remote").pluck().get()),
    );
    const newestVersion = newestSharedVersion();
    return { remoteId, schemaVersion, newestVersion, refuses, clockAheadMs: undefined };
  } finally {
    database.close();
  }
}

/** Whoever may use the directory may use the database: SQLite gives its other files the mode of this one. */
function makeEmpty(directory: string, file: string): void {
  const { O_APPEND, O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
  const fd = openSync(file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    fchmodSync(fd, statSync(directory).mode & 0o666);
  } finally {
    closeSync(fd);
  }
}

/** SQLite would wait for ever to open a pipe, and go where a link leads. @throws RemoteError CORRUPT: something else is */
function isThere(file: string): boolean {
  const found = lstatSync(file, { throwIfNoEntry: false });
  if (found !== undefined && !found.isFile()) throw noFile(file);
  return found !== undefined;
}

function refuseForeign(database: Sqlite.Database, file: string): void {
  if (read(database, "schema_version") === 0 || read(database, "application_id") === APPLICATION_ID) return;
  throw new PfsError("STORE_DAMAGED", `${file} is a SQLite database, but not a shared log of pfs.`, {
    hint: "It was left as it is. Name another directory.",
  });
}

function migrate(database: Sqlite.Database, file: string): void {
  const newest = newestSharedVersion();
  if (read(database, "user_version") === newest) return;
  const bringUp = database.transaction(() => {
    // Another process may have done it while this one waited.
    refuseForeign(database, file);
    refuseForeignTables(database, file);
    const present = read(database, "user_version");
    for (const { version, sql } of sharedMigrations()) if (version > present) database.exec(sql);
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma(`user_version = ${newest}`);
  });
  bringUp.immediate();
}

function read(database: Sqlite.Database, name: string): number {
  return database.pragma(name, { simple: true }) as number;
}

interface Meaning {
  readonly code: ErrorCode;
  readonly says: string;
  readonly isRetryable: boolean;
}

/** By SQLite's result code without what follows. Source: https://www.sqlite.org/rescode.html */
const MEANINGS: Readonly<Record<string, Meaning>> = {
  SQLITE_BUSY: { code: "UNAVAILABLE", says: "is busy with changes by others", isRetryable: true },
  SQLITE_LOCKED: { code: "UNAVAILABLE", says: "is busy with changes by others", isRetryable: true },
  SQLITE_FULL: { code: "FULL", says: "has no room left on its disk", isRetryable: false },
  SQLITE_READONLY: { code: "READ_ONLY", says: "may not be written", isRetryable: false },
  SQLITE_NOTADB: {
    code: "STORE_DAMAGED",
    says: "has a log.db that is no SQLite database",
    isRetryable: false,
  },
  SQLITE_CORRUPT: { code: "STORE_DAMAGED", says: "has a log.db that is damaged", isRetryable: false },
};

/** The error to throw in place of one that SQLite or the system threw. */
export function explainSqliteError(error: unknown, directory: string): unknown {
  if (!(error instanceof Sqlite.SqliteError)) return asDirectoryError(error, directory);
  const { code } = error;
  const known = MEANINGS[code] ?? MEANINGS[code.split("_").slice(0, 2).join("_")];
  const {
    code: ours,
    says,
    isRetryable,
  } = known ?? {
    code: "UNAVAILABLE",
    says: `cannot be used: ${error.message} (${code})`,
    isRetryable: false,
  };
  return new RemoteError(ours, `The remote ${directory} ${says}.`, { isRetryable, cause: error });
}
