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
  rmSync,
  unlinkSync,
} from "node:fs";
import { join } from "node:path";
import type { Statement } from "better-sqlite3";
import { isErrorCode, PfsError } from "../schema/errors.ts";
import type { BlobHash } from "../schema/ids.ts";
import { absentBytes, isOnRemote } from "./absent-bytes.ts";
import { BlobUses } from "./cache/blob-uses.ts";
import { openForPrograms } from "./descriptor-limit.ts";
import { Deferred, ERRAND_MIN_BYTES } from "./errands.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { hashOpenFile } from "./hash-file.ts";
import { passStep } from "./step.ts";
import type { Store } from "./store.ts";

/** Bytes up to this many are kept in the database. */
export const INLINE_MAX_BYTES = 128 * 1024;
/** Ending of a note in drafts/ that a blob is on its way into objects/, or out of it; a killed process leaves it (leftovers.ts). */
export const INCOMING = ".incoming";

/** Large blobs that are remembered as verified; past that they are verified again. */
const MAX_VERIFIED = 10_000;

/** Where the bytes of a version were when it was recorded; `remote`: not here. */
export type StorageBackend = "inline" | "object" | "remote";

/** A large blob opened for reading. The descriptor is the caller's to close. */
export interface OpenObject {
  readonly fd: number;
  readonly size: number;
}

export class Blobs {
  /** When blobs were used, where some of them may be evicted. */
  readonly uses: BlobUses;
  readonly #store: Store;
  readonly #objects: string;
  readonly #drafts: string;
  readonly #insert: Statement<unknown[]>;
  readonly #select: Statement<[string], { size: number; data: Buffer | null }>;
  readonly #mend: Statement<unknown[]>;
  readonly #exists: Statement<[string], { size: number }>;
  readonly #delete: Statement<[string], { isLarge: number }>;
  readonly #forgetUse: Statement<[string]>;
  /** Large blobs whose bytes were seen to be right, with what the file looked like then. */
  readonly #verified = new Map<BlobHash, string>();
  /** Why blobs could not be fetched, for whoever asked for that and asks again. */
  readonly #unfetched = new Map<BlobHash, PfsError>();
  #mayLack: boolean;

  constructor(store: Store) {
    this.#store = store;
    this.uses = new BlobUses(store);
    this.#objects = join(store.directory, "objects");
    this.#drafts = join(store.directory, "drafts");
    this.#insert = store.database.prepare(
      "INSERT INTO blob (sha256, size, data) VALUES (?, ?, ?) ON CONFLICT (sha256) DO NOTHING",
    );
    this.#select = store.database.prepare("SELECT size, data FROM blob WHERE sha256 = ?");
    this.#mend = store.database.prepare("UPDATE blob SET size = ?, data = ? WHERE sha256 = ?");
    this.#mayLack = store.database.prepare("SELECT 1 FROM remote LIMIT 1").get() !== undefined;
    this.#exists = store.database.prepare("SELECT size FROM blob WHERE sha256 = ?");
    this.#forgetUse = store.database.prepare("DELETE FROM blob_use WHERE sha256 = ?");
    this.#delete = store.database.prepare(
      "DELETE FROM blob WHERE sha256 = ? RETURNING data IS NULL AS isLarge",
    );
  }

  /** Stores small bytes under their hash. Only within a transaction. */
  putInline(blobHash: BlobHash, bytes: Uint8Array): void {
    this.#noteUse(blobHash);
    this.#store.noteInline(bytes.byteLength);
    if (this.#insert.run(blobHash, bytes.byteLength, bytes).changes === 0) this.#mendInline(blobHash, bytes);
    passStep("blob.stored");
  }

  /**
   * Takes over a finished file as the large blob `blobHash`: makes it durable, gives it its name and stores its row. Only
   * within a transaction. Once that is committed, `path` is gone; if it is undone, nothing has happened. The file must not
   * be written any more.
   */
  adoptFile(blobHash: BlobHash, path: string, fd: number, sizeBytes: number): void {
    this.#noteUse(blobHash);
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

  /** Whether bytes of versions may be on a remote only: some book is shared. */
  get mayLack(): boolean {
    return this.#mayLack;
  }

  /** A book is shared from now on. */
  noteSharing(): void {
    this.#mayLack = true;
  }

  /** To be called before a blob is read by whoever can come back. @throws Deferred where its bytes must be fetched first */
  deferFetching(blobHash: BlobHash): void {
    this.#noteUse(blobHash);
    if (!this.#mayLack || this.has(blobHash) || !isOnRemote(this.#store.database, blobHash)) return;
    const error = this.#unfetched.get(blobHash);
    this.#unfetched.delete(blobHash);
    if (error !== undefined) throw error;
    throw Deferred.of({ type: "fetch", hash: blobHash }, (outcome) => {
      if (outcome === "stored") return;
      const { code, message, hint } = outcome.failure;
      this.#unfetched.set(
        blobHash,
        new PfsError(isErrorCode(code) ? code : "UNAVAILABLE", message, hint === undefined ? {} : { hint }),
      );
    });
  }

  /** Bytes of a blob; undefined when it is not known here. */
  sizeOf(blobHash: BlobHash): number | undefined {
    return this.#exists.get(blobHash)?.size;
  }

  /** Whether bytes of this name are known here. */
  has(blobHash: BlobHash): boolean {
    return this.#exists.get(blobHash) !== undefined;
  }

  /** Whether the bytes of this name are here and hash to it. Reads a small blob, and a large one if it was not read before. */
  isSound(blobHash: BlobHash): boolean {
    const row = this.#select.get(blobHash);
    if (row === undefined) return false;
    if (row.data === null) return this.#hasSoundObject(blobHash);
    return row.data.byteLength === row.size && hash("sha256", row.data, "hex") === blobHash;
  }

  /**
   * The bytes of a small blob, verified.
   * @returns undefined when it is a large one
   * @throws PfsError CORRUPT when they are missing or do not hash to their name; UNAVAILABLE: they are on the remote only
   */
  readInline(blobHash: BlobHash, path: string): Buffer | undefined {
    this.#noteUse(blobHash);
    const row = this.#select.get(blobHash);
    if (row === undefined) throw absentBytes(this.#store.database, blobHash, path);
    if (row.data === null) return undefined;
    if (row.data.byteLength !== row.size || hash("sha256", row.data, "hex") !== blobHash) {
      throw corrupt(blobHash, path, "its stored bytes do not match its hash");
    }
    return row.data;
  }

  /**
   * Opens a large blob, verified once for as long as its file stays the same.
   * @throws PfsError CORRUPT; Deferred, if `mayDefer`, where the verifying takes long
   */
  openObject(blobHash: BlobHash, path: string, mayDefer = false): OpenObject {
    this.#noteUse(blobHash);
    let fd: number;
    try {
      fd = openForPrograms(this.objectPath(blobHash), "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw absentBytes(this.#store.database, blobHash, path, error);
    }
    try {
      const size = fstatSync(fd).size;
      if (this.#verified.get(blobHash) !== fingerprint(fd)) {
        if (mayDefer && size >= ERRAND_MIN_BYTES) throw this.#deferredVerifying(blobHash);
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

  /**
   * Removes a blob that nobody needs. Only within a transaction. The file of a large one goes once that is committed; until
   * then a note in drafts/ says that it may have no row, as for one that is on its way in.
   */
  remove(blobHash: BlobHash): void {
    this.#forgetUse.run(blobHash);
    if (this.#delete.get(blobHash)?.isLarge !== 1) return;
    const note = this.#notePath(blobHash);
    this.#store.afterCommit(() => {
      // The row must be gone for good before its bytes are.
      this.#store.sync();
      rmSync(this.objectPath(blobHash), { force: true });
      rmSync(note, { force: true });
      passStep("object.removed");
    });
    this.#store.afterRollback(() => rmSync(note, { force: true }));
    closeSync(openSync(note, "w", 0o600));
    passStep("object.noted");
  }

  /** Removes a file in objects/ that is no blob's. Answers whether there was one. */
  removeStray(blobHash: BlobHash): boolean {
    const path = this.objectPath(blobHash);
    const isOnItsWay = existsSync(this.#notePath(blobHash));
    const isLarge = this.#select.get(blobHash)?.data === null;
    if (isOnItsWay || isLarge || !existsSync(path)) return false;
    unlinkSync(path);
    return true;
  }

  /** Where a large blob's bytes are. */
  objectPath(blobHash: BlobHash): string {
    return objectPath(this.#store, blobHash);
  }

  /** Where nothing is shared nothing is evicted. */
  #noteUse(blobHash: BlobHash): void {
    if (this.#mayLack) this.uses.note(blobHash);
  }

  #notePath(blobHash: BlobHash): string {
    return join(this.#drafts, `${blobHash}${INCOMING}`);
  }

  /**
   * Gives the file at `path` a second name in objects/. A third, in drafts/, notes that its row is not committed yet: what
   * a killed process leaves is found by it.
   */
  #linkObject(blobHash: BlobHash, path: string): void {
    const isKnown = this.has(blobHash);
    const target = this.objectPath(blobHash);
    const note = this.#notePath(blobHash);
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

  #deferredVerifying(blobHash: BlobHash): Deferred {
    return Deferred.of({ type: "hash", path: this.objectPath(blobHash), sync: false }, (outcome) => {
      // One that is wrong is found to be so, and told, when it is read.
      if (outcome.hash === blobHash) this.#noteVerified(blobHash, outcome.fingerprint);
    });
  }

  #markVerified(blobHash: BlobHash, fd: number): void {
    this.#noteVerified(blobHash, fingerprint(fd));
  }

  #noteVerified(blobHash: BlobHash, print: string): void {
    if (this.#verified.size >= MAX_VERIFIED) this.#verified.clear();
    this.#verified.set(blobHash, print);
  }
}

function fingerprint(fd: number): string {
  return fingerprintOf(fstatSync(fd, { bigint: true }));
}

/** Where a large blob's bytes are in a store. */
export function objectPath(store: Store, blobHash: BlobHash): string {
  return join(store.directory, "objects", blobHash.slice(0, 2), blobHash);
}

function syncDirectory(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function corrupt(blobHash: BlobHash, path: string, what: string): PfsError {
  return new PfsError("CORRUPT", `${path} cannot be read: ${what} (${blobHash}).`, {
    path,
    hint: "Run `pfs verify` for all that is damaged, and restore the store from a backup.",
  });
}
