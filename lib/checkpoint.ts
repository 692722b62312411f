/**
 * Moves what is committed from the write-ahead log into the database, and makes it durable, with a connection of its own:
 * for a thread that may wait for the disk. Must never write anything of its own.
 */
import { closeSync, existsSync, fdatasyncSync, fstatSync, openSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";

export class Checkpoint {
  readonly #database: Sqlite.Database;
  readonly #walPath: string;
  #walFd: number | undefined;

  /** Of a store that this process has open. */
  constructor(storeDirectory: string) {
    const file = join(storeDirectory, "pfs.db");
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

  /** Writes to the database what no reader still needs from the log. Waits for nobody. @throws SqliteError */
  run(): void {
    this.#database.pragma("wal_checkpoint(PASSIVE)");
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
