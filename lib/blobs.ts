/**
 * Owns bytes named by their hash: small ones in the database, so that bytes, journal and log commit together (B1), large
 * ones as files under objects/. Verifies bytes when they enter and when they are read (R2). Must never know which paths
 * refer to them.
 */
import { hash } from "node:crypto";
import { closeSync, fstatSync, fsyncSync, linkSync, mkdirSync, openSync, rmSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import type { Statement } from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";
import type { BlobHash } from "../schema/ids.ts";
import { hashOpenFile } from "./hash-file.ts";
import { passStep } from "./step.ts";
import type { Store } from "./store.ts";

/** Bytes up to this many are kept in the database. */
export const INLINE_MAX_BYTES = 128 * 1024;
/** Ending of a note in drafts/ that a blob is on its way into objects/; a killed process leaves it (leftovers.ts). */
export const INCOMING = ".incoming";

/** Large blobs that are remembered as verified; past that they are verified again. */
const MAX_VERIFIED = 10_000;

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
  readonly #mend: Statement<unknown[]>;
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
    this.#mend = store.database.prepare("UPDATE blob SET size = ?, data = ? WHERE sha256 = ?");
    this.#exists = store.database.prepare("SELECT size FROM blob WHERE sha256 = ?");
  }

  /** Stores small bytes under their hash. Only within a transaction. */
  putInline(blobHash: BlobHash, bytes: Uint8Array): void {
    if (this.#insert.run(blobHash, bytes.byteLength, bytes).changes === 0) this.#mendInline(blobHash, bytes);
    passStep("blob.stored");
  }

  /**
   * Takes over a finished file as the large blob `blobHash`: makes it durable, gives it its name and stores its row. Only
   * within a transaction. Once that is committed, `path` is gone; if it is undone, nothing has happened. The file must not
   * be written any more.
   */
  adoptFile(blobHash: BlobHash, path: string, fd: number, sizeBytes: number): void {
    this.#store.afterCommit(() => {
      unlinkSync(path);
      passStep("object.settled");
    });
    if (this.#hasSoundObject(blobHash)) return;
    fsyncSync(fd);
    passStep("object.synced");
    this.#linkObject(blobHash, path);
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
    return objectPath(this.#store, blobHash);
  }

  /**
   * Gives the file at `path` a second name in objects/. A third, in drafts/, notes that its row is not committed yet: what
   * a killed process leaves is found by it.
   */
  #linkObject(blobHash: BlobHash, path: string): void {
    const isKnown = this.has(blobHash);
    const target = this.objectPath(blobHash);
    const note = join(this.#drafts, `${blobHash}${INCOMING}`);
    this.#store.afterCommit(() => unlinkSync(note));
    this.#store.afterRollback(() => {
      // Where a row is known already, the bytes just replaced bad ones and are to stay.
      if (!isKnown) rmSync(target, { force: true });
      rmSync(note, { force: true });
    });
    rmSync(note, { force: true });
    linkSync(path, note);
    passStep("object.noted");
    const folder = join(this.#objects, blobHash.slice(0, 2));
    if (mkdirSync(folder, { recursive: true, mode: 0o700 }) !== undefined) syncDirectory(this.#objects);
    // Nobody has vouched for what may be there.
    rmSync(target, { force: true });
    linkSync(path, target);
    syncDirectory(folder);
    passStep("object.linked");
  }

  #hasSoundObject(blobHash: BlobHash): boolean {
    if (!this.has(blobHash)) return false;
    try {
      closeSync(this.openObject(blobHash, blobHash).fd);
      return true;
    } catch (error) {
      if (error instanceof PfsError) return false;
      throw error;
    }
  }

  /** Whoever brings the bytes of a blob that is known, but was damaged, mends it. */
  #mendInline(blobHash: BlobHash, bytes: Uint8Array): void {
    const row = this.#select.get(blobHash);
    if (row?.data != null && hash("sha256", row.data, "hex") !== blobHash)
      this.#mend.run(bytes.byteLength, bytes, blobHash);
  }

  #markVerified(blobHash: BlobHash, fd: number): void {
    if (this.#verified.size >= MAX_VERIFIED) this.#verified.clear();
    this.#verified.set(blobHash, fingerprint(fd));
  }
}

/** Where a large blob's bytes are in a store. */
export function objectPath(store: Store, blobHash: BlobHash): string {
  return join(store.directory, "objects", blobHash.slice(0, 2), blobHash);
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
