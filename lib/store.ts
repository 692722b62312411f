/**
 * Owns a store: its directory, its SQLite connection and the transactions on it. One process owns it and one thread in
 * that process writes it (D1). Must never know what the tables mean.
 */
import { closeSync, existsSync, fdatasyncSync, fstatSync, mkdirSync, openSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import type Sqlite from "better-sqlite3";
import { runCheckpoint, WAL_LIMIT_BYTES } from "./checkpoint.ts";
import { asDamage, databaseFile, holdsStore, noStore } from "./database-file.ts";
import { DiskSpace } from "./disk-space.ts";
import { LockFile } from "./lock-file.ts";
import { makeDirectories } from "./make-directories.ts";
import { migrate } from "./migrations.ts";
import { passStep } from "./step.ts";
import { connect, readSchemaOnce } from "./store-database.ts";
import { asUnwritable } from "./unwritable.ts";

export interface StoreOptions {
  /** Make the directory and an empty store when there is none. Default true. */
  readonly create?: boolean;
  /**
   * This process reads the store already: its file is not looked at as bytes, as closing it would drop the locks that SQLite
   * has on it (https://www.sqlite.org/howtocorrupt.html, 2.2). Default false.
   */
  readonly isRead?: boolean;
  /** Bytes to leave free on the disk; default 16 MiB, on small disks 4 % of them. */
  readonly reserveBytes?: number;
  /** Called after every committed transaction, within the write that asked for it: must be quick and never throw. */
  readonly onCommit?: (() => void) | undefined;
}

export class Store {
  readonly directory: string;
  readonly database: Sqlite.Database;
  /** Owner of what has no owner of its own: the user and group of the store's directory. */
  readonly ownerUid: number;
  readonly ownerGid: number;
  readonly #lock: LockFile;
  readonly #space: DiskSpace;
  readonly #onCommit: (() => void) | undefined;
  readonly #begin: Sqlite.Statement;
  readonly #beginWrite: Sqlite.Statement;
  readonly #commit: Sqlite.Statement;
  readonly #rollback: Sqlite.Statement;
  #state: "idle" | "reading" | "writing" = "idle";
  readonly #beforeCommit: (() => void)[] = [];
  #afterCommit: (() => void)[] = [];
  #afterRollback: (() => void)[] = [];
  #afterwards: (() => void)[] = [];
  #walFd: number | undefined;
  #writeCount = 0;
  #rollbackCount = 0;

  private constructor(
    directory: string,
    database: Sqlite.Database,
    lock: LockFile,
    { reserveBytes, onCommit }: StoreOptions,
  ) {
    this.directory = directory;
    this.database = database;
    this.#lock = lock;
    this.#space = new DiskSpace(directory, reserveBytes);
    this.#onCommit = onCommit;
    const owner = statSync(directory);
    this.ownerUid = owner.uid;
    this.ownerGid = owner.gid;
    this.#begin = database.prepare("BEGIN");
    this.#beginWrite = database.prepare("BEGIN IMMEDIATE");
    this.#commit = database.prepare("COMMIT");
    this.#rollback = database.prepare("ROLLBACK");
  }

  /**
   * Opens the store in `directory` as its one owner.
   * @throws PfsError STORE_BUSY, STORE_DAMAGED, UNSUPPORTED_VERSION, READ_ONLY, NOT_FOUND (with `create: false`)
   */
  static open(directory: string, options: StoreOptions = {}): Store {
    const file = databaseFile(directory);
    const mayMake = options.create !== false;
    if (!mayMake && !existsSync(file) && !holdsStore(directory)) throw noStore(directory);
    makeDirectories(resolve(directory), 0o700);
    let lock: LockFile;
    try {
      lock = LockFile.acquire(join(directory, "lock"), directory);
    } catch (error) {
      throw asUnwritable(error, directory);
    }
    let database: Sqlite.Database | undefined;
    try {
      if (options.isRead !== true) {
        if (!holdsStore(directory) && !mayMake) throw noStore(directory);
        // SQLite gives its other files the mode of this one.
        closeSync(openSync(file, "a", 0o600));
      }
      for (const name of ["objects", "drafts", "scratch"]) {
        mkdirSync(join(directory, name), { recursive: true, mode: 0o700 });
      }
      database = openDatabase(file);
      return new Store(directory, database, lock, options);
    } catch (error) {
      database?.close();
      lock.giveBack();
      throw asUnwritable(error, directory);
    }
  }

  /** @param whenClosed what is to be done while the store is still locked; that it fails is no reason to fail */
  close(whenClosed?: () => void): void {
    this.rest();
    if (this.#walFd !== undefined) closeSync(this.#walFd);
    this.database.close();
    try {
      whenClosed?.();
    } catch {
      // Everything is saved.
    } finally {
      this.#lock.release();
    }
  }

  /** Makes sure that the reads that follow see one state and cost no locking each; {@link rest} ends it. */
  read(): void {
    if (this.#state !== "idle") return;
    this.#begin.run();
    this.#state = "reading";
  }

  /** Ends a read transaction, so that the write-ahead log can start over. To be called before waiting for work. */
  rest(): void {
    if (this.#state !== "reading") return;
    this.#commit.run();
    this.#state = "idle";
  }

  /**
   * Runs `body` in one transaction; within another one it simply takes part in that. What it throws undoes all.
   */
  transaction<Result>(body: () => Result): Result {
    if (this.#state === "writing") return body();
    // As the only writer this connection always sees the newest state, so a read transaction can become a write one.
    if (this.#state === "idle") this.#beginWrite.run();
    this.#state = "writing";
    this.#writeCount++;
    let result: Result;
    try {
      passStep("transaction.begun");
      result = body();
      for (const hook of this.#beforeCommit) hook();
      this.#commit.run();
    } catch (error) {
      this.#undo();
      throw error;
    }
    this.#state = "idle";
    this.#space.noteCommit();
    this.#onCommit?.();
    runAnyway(passCommitted);
    const hooks = this.#afterCommit;
    if (hooks.length > 0 || this.#afterRollback.length > 0) {
      this.#afterCommit = [];
      this.#afterRollback = [];
      for (const hook of hooks) runAnyway(hook);
    }
    this.#runAfterwards();
    return result;
  }

  /** Whether the owner before was killed and may have left things behind. */
  get wasLeft(): boolean {
    return this.#lock.wasLeft;
  }

  /** Within a read transaction, which {@link rest} ends. */
  get isReading(): boolean {
    return this.#state === "reading";
  }

  /** Write transactions begun so far: where it is the same as before and none is under way, what was read still holds. */
  get writeCount(): number {
    return this.#writeCount;
  }

  /** Write transactions that were undone so far. */
  get rollbackCount(): number {
    return this.#rollbackCount;
  }

  /** Within {@link transaction}. */
  get isWriting(): boolean {
    return this.#state === "writing";
  }

  /** Runs `hook` at the end of every transaction from now on, as a part of it: what it throws undoes that. */
  beforeCommit(hook: () => void): void {
    this.#beforeCommit.push(hook);
  }

  /**
   * Runs `hook` once the transaction under way is committed; not at all if it is undone. What it throws becomes a warning
   * of the process: the operation was committed and must not seem to have failed.
   */
  afterCommit(hook: () => void): void {
    this.#afterCommit.push(hook);
  }

  /** Runs `hook` if the transaction under way is undone. */
  afterRollback(hook: () => void): void {
    this.#afterRollback.push(hook);
  }

  /** Runs `hook` once the transaction under way is over and all its other hooks were: it may begin another one. */
  afterwards(hook: () => void): void {
    this.#afterwards.push(hook);
  }

  #runAfterwards(): void {
    if (this.#afterwards.length === 0) return;
    const hooks = this.#afterwards;
    this.#afterwards = [];
    for (const hook of hooks) runAnyway(hook);
  }

  #undo(): void {
    this.#rollbackCount++;
    this.#state = "idle";
    // SQLite has already rolled back by itself after some errors (a full disk, for one).
    if (this.database.inTransaction) this.#rollback.run();
    const hooks = this.#afterRollback;
    this.#afterCommit = [];
    this.#afterRollback = [];
    // The last first: each undoes what it did on top of those before it.
    for (const hook of hooks.reverse()) runAnyway(hook);
    this.#runAfterwards();
  }

  /** Whether the write-ahead log has become so large that somebody should {@link checkpoint}. */
  get isLogLarge(): boolean {
    const fd = this.walFd();
    return fd !== undefined && fstatSync(fd).size > WAL_LIMIT_BYTES;
  }

  /**
   * Moves what is committed from the write-ahead log into the database, so that the log starts over. Waits for the disk:
   * for when nobody else does it in time. Not within a transaction.
   * @returns bytes from the log's start to its end
   */
  checkpoint(): number {
    this.rest();
    return runCheckpoint(this.database);
  }

  /** Makes everything committed so far durable on disk: what `synchronous=FULL` does after a commit. */
  sync(): void {
    const fd = this.walFd();
    if (fd !== undefined) fdatasyncSync(fd);
  }

  /** A descriptor of the write-ahead log, for a sync from another thread; undefined while there is none. */
  walFd(): number | undefined {
    const path = join(this.directory, "pfs.db-wal");
    if (this.#walFd === undefined && existsSync(path)) this.#walFd = openSync(path, "r");
    return this.#walFd;
  }

  /**
   * Refuses early what would fill the disk.
   * @throws PfsError FULL when fewer than `bytes` and the reserve are left
   */
  checkSpace(bytes: number): void {
    this.#space.check(bytes, this.walFd());
  }

  /** So many bytes go into the database. */
  noteInline(bytes: number): void {
    this.#space.noteInline(bytes);
  }
}

function passCommitted(): void {
  passStep("transaction.committed");
}

function runAnyway(hook: () => void): void {
  try {
    hook();
  } catch (error) {
    process.emitWarning(error as Error);
  }
}

function openDatabase(file: string): Sqlite.Database {
  let database: Sqlite.Database | undefined;
  try {
    database = connect(file);
    // Without effect on a database that has pages already.
    database.pragma("page_size = 4096");
    database.pragma("journal_mode = WAL");
    database.pragma("synchronous = NORMAL");
    database.pragma("wal_autocheckpoint = 0");
    database.pragma(`journal_size_limit = ${WAL_LIMIT_BYTES}`);
    database.pragma("foreign_keys = ON");
    database.pragma("trusted_schema = OFF");
    database.pragma("cache_size = -8192");
    const isNew = database.pragma("user_version", { simple: true }) === 0;
    migrate(database, file);
    readSchemaOnce(database);
    // Before anything is put beside it: holdsStore counts on that.
    if (isNew) runCheckpoint(database);
    return database;
  } catch (error) {
    database?.close();
    throw asDamage(error, file);
  }
}
