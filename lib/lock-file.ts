/**
 * Owns D1: exactly one process owns a store, by flock(2) on a file that names the owner. The lock dies with its process,
 * so a file left by a killed one locks nothing; that it still names an owner tells that the owner was killed.
 */
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  readSync,
  writeSync,
} from "node:fs";
import { PfsError } from "../schema/errors.ts";
import { tryLockExclusive } from "./libc.ts";

/** More than any process id has. */
const OWNER_BYTES = 64;

/** A held lock. */
export class LockFile {
  /** The owner before did not give the lock back: it was killed, or the machine stopped. */
  readonly wasLeft: boolean;
  readonly #fd: number;
  readonly #found: Buffer;

  private constructor(fd: number, found: Buffer) {
    this.#fd = fd;
    this.#found = found;
    this.wasLeft = found.length > 0;
  }

  /**
   * @throws PfsError STORE_BUSY naming the owner's process id
   */
  static acquire(path: string, storeDirectory: string): LockFile {
    const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW, 0o600);
    try {
      if (!tryLockExclusive(fd)) {
        const owner = readFileSync(path, "utf8").trim();
        const who = /^[0-9]+$/.test(owner) ? `process ${owner}` : "another process";
        throw new PfsError("STORE_BUSY", `The store ${storeDirectory} is in use by ${who}.`, {
          hint: "If it is a daemon, `pfs mount` and all other commands use it; end it with `pfs stop`, or name another store with --store.",
        });
      }
      const found = Buffer.alloc(Math.min(fstatSync(fd).size, OWNER_BYTES));
      readSync(fd, found, 0, found.length, 0);
      ftruncateSync(fd, 0);
      writeSync(fd, `${process.pid}\n`, 0);
      return new LockFile(fd, found);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  release(): void {
    ftruncateSync(this.#fd, 0);
    closeSync(this.#fd);
  }

  /** Releases a store of which nothing was done: what a killed owner has left is still to be seen to. */
  giveBack(): void {
    ftruncateSync(this.#fd, 0);
    writeSync(this.#fd, this.#found, 0, this.#found.length, 0);
    closeSync(this.#fd);
  }
}
