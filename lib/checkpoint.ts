/**
 * Moves what is committed from the write-ahead log into the database, and makes it durable, with a connection of its own:
 * for a thread that may wait for the disk. Must never write anything of its own.
 */
import { closeSync, existsSync, fdatasyncSync, fstatSync, openSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";

/** A page with its header. Source: https://www.sqlite.org/fileformat2.html#walformat */
const FRAME_BYTES = 4096 + 24;

/** How large the write-ahead log may become before somebody must make room. */
export const WAL_LIMIT_BYTES = 64 * 1024 * 1024;

export class Checkpoint {
  readonly #database: Sqlite.Database;
  readonly #file: string;
  readonly #walPath: string;
  #walFd: number | undefined;
  #databaseFd: number | undefined;

  /** Of a store that this process has open. */
  constructor(storeDirectory: string) {
    const file = join(storeDirectory, "pfs.db");
    this.#file = file;
    this.#walPath = `${file}-wal`;
    this.#database = new Sqlite(file, { fileMustExist: true });
    this.#database.pragma("synchronous = NORMAL");
    this.#database.pragma("wal_autocheckpoint = 0");
  }

  /** Bytes that the write-ahead log takes on disk; it is reused rather than cut, so that this never shrinks. */
  get walBytes(): number {
    const fd = this.#fd();
    return fd === undefined ? 0 : fstatSync(fd).size;
  }

  /** Makes every commit so far safe against power loss. @throws Node's system error */
  sync(): void {
    const fd = this.#fd();
    if (fd !== undefined) fdatasyncSync(fd);
  }

  /**
   * Writes to the database what no reader still needs from the log. Waits for nobody.
   * @returns bytes from the log's start to its end; it starts over at the first commit that finds all of it written
   * @throws SqliteError
   */
  run(): number {
    return runCheckpoint(this.#database);
  }

  /**
   * Makes what was written to the database so far durable. {@link run} does that itself only when it finds no commit that
   * came meanwhile. @throws Node's system error
   */
  syncDatabase(): void {
    // Never closed: that would drop the locks that SQLite has on this file for the whole process (fcntl(2)).
    this.#databaseFd ??= openSync(this.#file, "r");
    fdatasyncSync(this.#databaseFd);
  }

  close(): void {
    if (this.#walFd !== undefined) closeSync(this.#walFd);
    this.#database.close();
  }

  /** The log exists from the owner's first commit on, until the last connection is closed. */
  #fd(): number | undefined {
    if (this.#walFd === undefined && existsSync(this.#walPath)) this.#walFd = openSync(this.#walPath, "r");
    return this.#walFd;
  }
}

/** One checkpoint on any connection. @returns as {@link Checkpoint.run} */
export function runCheckpoint(database: Sqlite.Database): number {
  const [result] = database.pragma("wal_checkpoint(PASSIVE)") as { log: number }[];
  // -1 where there is no log.
  return Math.max(0, result?.log ?? 0) * FRAME_BYTES;
}
