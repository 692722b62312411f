/**
 * Owns bytes named by their hash: small ones in the database, so that bytes, journal and log commit together (B1), large
 * ones as files under objects/. Verifies bytes when they enter and when they are read (R2). Must never know which paths
 * refer to them.
 */
import { hash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import type { Statement } from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";
import { type BlobHash, isBlobHash } from "../schema/ids.ts";
import { hashOpenFile } from "./hash-file.ts";
import { passStep } from "./step.ts";
import type { Store } from "./store.ts";

/** Bytes up to this many are kept in the database. */
export const INLINE_MAX_BYTES = 128 * 1024;
/** A file on its way into objects/: left behind only by a process that was killed in between. */
const INCOMING = ".incoming";

export type StorageBackend = "inline" | "object";

/** A large blob opened for reading. The descriptor is the caller's to close. */
export interface OpenObject {
  readonly fd: number;
  readonly size: number;
}

export class Blobs {
  readonly #store: Store;
  readonly #objects: string;
  readonly #drafts: string;
  readonly #insert: Statement<unknown[]>;
  readonly #select: Statement<[string], { size: number; data: Buffer | null }>;
  readonly #exists: Statement<[string], { size: number }>;
  /** Large blobs whose bytes were seen to be right, with what the file looked like then. */
  readonly #verified = new Map<BlobHash, string>();

  constructor(store: Store) {
    this.#store = store;
    this.#objects = join(store.directory, "objects");
    this.#drafts = join(store.directory, "drafts");
    this.#insert = store.database.prepare(
      "INSERT INTO blob (sha256, size, data) VALUES (?, ?, ?) ON CONFLICT (sha256) DO NOTHING",
    );
    this.#select = store.database.prepare("SELECT size, data FROM blob WHERE sha256 = ?");
    this.#exists = store.database.prepare("SELECT size FROM blob WHERE sha256 = ?");
    this.#settleIncoming();
  }

  /** Stores small bytes under their hash. Only within a transaction. */
  putInline(blobHash: BlobHash, bytes: Uint8Array): void {
    this.#insert.run(blobHash, bytes.byteLength, bytes);
    passStep("blob.stored");
  }

  /**
   * Takes over a finished file as the large blob `blobHash`: makes it durable, gives it its name and stores its row. Only
   * within a transaction; if that is undone the file is back at `path`. The file must not be written any more.
   */
  adoptFile(blobHash: BlobHash, path: string, fd: number, sizeBytes: number): void {
    fsyncSync(fd);
    passStep("object.synced");
    const target = this.objectPath(blobHash);
    const incoming = join(this.#drafts, `${blobHash}${INCOMING}`);
    mkdirSync(join(this.#objects, blobHash.slice(0, 2)), { recursive: true, mode: 0o700 });
    renameSync(path, incoming);
    const isNew = this.#linkUnlessThere(incoming, target, blobHash);
    passStep("object.linked");
    this.#store.afterCommit(() => {
      unlinkSync(incoming);
      passStep("object.settled");
    });
    this.#store.afterRollback(() => {
      if (isNew) unlinkSync(target);
      renameSync(incoming, path);
    });
    this.#insert.run(blobHash, sizeBytes, null);
    passStep("blob.stored");
    this.#markVerified(blobHash, fd);
  }

  /** Whether bytes of this name are known here. */
  has(blobHash: BlobHash): boolean {
    return this.#exists.get(blobHash) !== undefined;
  }

  /**
   * The bytes of a small blob, verified.
   * @returns undefined when it is a large one
   * @throws PfsError CORRUPT when they are missing or do not hash to their name
   */
  readInline(blobHash: BlobHash, path: string): Buffer | undefined {
    const row = this.#select.get(blobHash);
    if (row === undefined) throw corrupt(blobHash, path, "its bytes are missing from the store");
    if (row.data === null) return undefined;
    if (row.data.byteLength !== row.size || hash("sha256", row.data, "hex") !== blobHash) {
      throw corrupt(blobHash, path, "its stored bytes do not match its hash");
    }
    return row.data;
  }

  /**
   * Opens a large blob, verified once for as long as its file stays the same.
   * @throws PfsError CORRUPT
   */
  openObject(blobHash: BlobHash, path: string): OpenObject {
    let fd: number;
    try {
      fd = openSync(this.objectPath(blobHash), "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw corrupt(blobHash, path, "its bytes are missing from the store", error);
    }
    try {
      const size = fstatSync(fd).size;
      if (this.#verified.get(blobHash) !== fingerprint(fd)) {
        if (hashOpenFile(fd, size) !== blobHash)
          throw corrupt(blobHash, path, "its stored bytes do not match its hash");
        this.#markVerified(blobHash, fd);
      }
      return { fd, size };
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Where a large blob's bytes are. */
  objectPath(blobHash: BlobHash): string {
    return join(this.#objects, blobHash.slice(0, 2), blobHash);
  }

  #linkUnlessThere(incoming: string, target: string, blobHash: BlobHash): boolean {
    if (existsSync(target) && this.has(blobHash)) return false;
    // A file without a row is what a killed process left; its bytes were never vouched for.
    if (existsSync(target)) unlinkSync(target);
    linkSync(incoming, target);
    syncDirectory(join(this.#objects, blobHash.slice(0, 2)));
    return true;
  }

  #markVerified(blobHash: BlobHash, fd: number): void {
    this.#verified.set(blobHash, fingerprint(fd));
  }

  /** Finishes or undoes what a killed process was doing: a file whose row was committed stays, another goes (SC-002). */
  #settleIncoming(): void {
    for (const name of readdirSync(this.#drafts)) {
      const path = join(this.#drafts, name);
      const blobHash = name.slice(0, -INCOMING.length);
      if (name.endsWith(INCOMING) && isBlobHash(blobHash) && !this.has(blobHash)) {
        const object = this.objectPath(blobHash);
        if (existsSync(object)) unlinkSync(object);
      }
      unlinkSync(path);
    }
  }
}

/** Changes whenever the file's bytes may have changed. */
function fingerprint(fd: number): string {
  const stat = fstatSync(fd, { bigint: true });
  return `${stat.ino}:${stat.size}:${stat.mtimeNs}`;
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function corrupt(blobHash: BlobHash, path: string, what: string, cause?: unknown): PfsError {
  return new PfsError("CORRUPT", `${path} cannot be read: ${what} (${blobHash}).`, {
    path,
    hint: "Run `pfs verify` for all that is damaged, and restore the store from a backup.",
    cause,
  });
}
