/**
 * Owns what an open file's bytes are read from and written to: a committed blob (never written), a draft in memory, a
 * draft in a file. Must never know a path of the book.
 */
import { createHash, type Hash, hash } from "node:crypto";
import { closeSync, fstatSync, ftruncateSync, readSync, unlinkSync, writeSync } from "node:fs";
import { PosixError } from "../schema/errors.ts";
import type { BlobHash } from "../schema/ids.ts";
import { Deferred, ERRAND_MIN_BYTES } from "./errands.ts";
import { hashRange } from "./hash-file.ts";
import { fallocate, lseek } from "./libc.ts";
import { WriteBehind } from "./write-behind.ts";

/** fallocate(2) modes that the kernel hands to a FUSE file system. Source: linux/include/uapi/linux/falloc.h */
export const Fallocate = { keepSize: 1, punchHole: 2, zeroRange: 16 } as const;
/** lseek(2) whence values. Source: linux/include/uapi/linux/fs.h */
export const Seek = { data: 3, hole: 4 } as const;

/** Bytes that can be read. */
export interface Content {
  readonly size: number;
  /** A file that holds exactly these bytes, if there is one. */
  readonly fd: number | undefined;
  /** Copies bytes from `offset` on into `target`; returns how many, 0 at the end. */
  read(offset: number, target: Uint8Array): number;
  /** lseek(2) with SEEK_DATA or SEEK_HOLE. @throws PosixError ENXIO */
  seek(offset: number, whence: number): number;
  close(): void;
}

/** All bytes of what is small, such as a symbolic link's target; closes it. */
export function readWhole(content: Content): Uint8Array {
  try {
    const bytes = new Uint8Array(content.size);
    content.read(0, bytes);
    return bytes;
  } finally {
    content.close();
  }
}

/** Bytes that can be changed. */
export interface Draft extends Content {
  write(offset: number, bytes: Uint8Array): void;
  truncate(size: number): void;
  /** fallocate(2). */
  allocate(mode: number, offset: number, length: number): void;
  hash(): BlobHash;
}

/** A small committed blob. */
export class InlineContent implements Content {
  readonly bytes: Uint8Array;
  readonly fd = undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get size(): number {
    return this.bytes.byteLength;
  }

  read(offset: number, target: Uint8Array): number {
    return copyInto(this.bytes, this.bytes.byteLength, offset, target);
  }

  seek(offset: number, whence: number): number {
    return seekWithoutHoles(this.size, offset, whence);
  }

  close(): void {}
}

/** A large committed blob. */
export class ObjectContent implements Content {
  readonly fd: number;
  readonly size: number;

  constructor(fd: number, size: number) {
    this.fd = fd;
    this.size = size;
  }

  read(offset: number, target: Uint8Array): number {
    return readFully(this.fd, offset, target);
  }

  seek(offset: number, whence: number): number {
    return seekWithoutHoles(this.size, offset, whence);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** A draft of a small file. */
export class MemoryDraft implements Draft {
  readonly fd = undefined;
  size = 0;
  #buffer: Buffer;

  constructor(initial: Uint8Array, capacity: number) {
    this.#buffer = Buffer.alloc(Math.max(capacity, initial.byteLength));
    this.#buffer.set(initial);
    this.size = initial.byteLength;
  }

  /** The bytes as they are now; valid until the next change. */
  get bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.size);
  }

  read(offset: number, target: Uint8Array): number {
    return copyInto(this.#buffer, this.size, offset, target);
  }

  write(offset: number, bytes: Uint8Array): void {
    const end = offset + bytes.byteLength;
    this.#reserve(end);
    this.#buffer.set(bytes, offset);
    if (end > this.size) this.size = end;
  }

  truncate(size: number): void {
    this.#reserve(size);
    // What is cut off must read as zeros if the file grows again.
    if (size < this.size) this.#buffer.fill(0, size, this.size);
    this.size = size;
  }

  allocate(mode: number, offset: number, length: number): void {
    const end = offset + length;
    if ((mode & (Fallocate.punchHole | Fallocate.zeroRange)) !== 0) {
      this.#buffer.fill(0, Math.min(offset, this.size), Math.min(end, this.size));
    }
    if ((mode & Fallocate.keepSize) === 0 && end > this.size) this.truncate(end);
  }

  seek(offset: number, whence: number): number {
    return seekWithoutHoles(this.size, offset, whence);
  }

  hash(): BlobHash {
    return hash("sha256", this.bytes, "hex") as BlobHash;
  }

  close(): void {}

  #reserve(size: number): void {
    if (size <= this.#buffer.byteLength) return;
    const larger = Buffer.alloc(Math.max(size, this.#buffer.byteLength * 2));
    larger.set(this.bytes);
    this.#buffer = larger;
  }
}

/** A draft of a large file, or a scratch file. What is written to a draft in order is hashed and goes to the disk as it comes. */
export class FileDraft implements Draft {
  readonly fd: number;
  readonly path: string;
  size: number;
  /** A change of bytes that were there has failed, perhaps half way. */
  isTorn = false;
  readonly #temporary: boolean;
  #hash: Hash | undefined;
  #hashedBytes = 0;
  readonly #writeBehind: WriteBehind;
  /** Counts what may have changed bytes. */
  #changes = 0;
  /** What somebody else has found, when `#changes` was that. */
  #found: { readonly hash: BlobHash; readonly changes: number } | undefined;
  #detached = false;

  /** Takes over `fd`, open for reading and writing. A `temporary` file goes when it is closed without being detached. */
  constructor(path: string, fd: number, temporary: boolean) {
    this.path = path;
    this.fd = fd;
    this.#temporary = temporary;
    this.#writeBehind = new WriteBehind(fd);
    this.size = fstatSync(fd).size;
    if (temporary && this.size === 0) this.#hash = createHash("sha256");
  }

  /** Hands the file and its descriptor to somebody else: closing the draft is then nothing. */
  detach(): void {
    this.#detached = true;
  }

  /** Closes the descriptor of a draft whose file was handed to somebody else. */
  closeDetached(): void {
    closeSync(this.fd);
  }

  read(offset: number, target: Uint8Array): number {
    return readFully(this.fd, offset, target);
  }

  write(offset: number, bytes: Uint8Array): void {
    this.#changes++;
    // Before the write: one that fails half way (a full disk) must leave no stale hash behind.
    if (offset < this.#hashedBytes) this.#restartHash(offset);
    try {
      writeFully(this.fd, offset, bytes);
    } catch (error) {
      this.isTorn ||= offset < this.size;
      this.#cutBack();
      throw error;
    }
    if (this.#hash !== undefined && offset === this.#hashedBytes) {
      this.#hash.update(bytes);
      this.#hashedBytes += bytes.byteLength;
      this.#writeBehind.advance(this.#hashedBytes);
    }
    this.size = Math.max(this.size, offset + bytes.byteLength);
  }

  truncate(size: number): void {
    this.#changes++;
    ftruncateSync(this.fd, size);
    if (size < this.#hashedBytes) this.#restartHash(size);
    this.size = size;
  }

  allocate(mode: number, offset: number, length: number): void {
    this.#changes++;
    const changesBytes = mode !== 0 && mode !== Fallocate.keepSize;
    if (changesBytes && offset < this.#hashedBytes) this.#restartHash(offset);
    try {
      fallocate(this.fd, mode, offset, length);
    } catch (error) {
      this.isTorn ||= changesBytes && offset < this.size;
      this.#cutBack();
      throw error;
    }
    this.size = fstatSync(this.fd).size;
  }

  seek(offset: number, whence: number): number {
    return lseek(this.fd, offset, whence);
  }

  /** To be called before {@link hash} by whoever can come back. @throws Deferred where that would take long */
  deferHashing(): void {
    const changes = this.#changes;
    const unhashed = this.size - (this.#hash === undefined ? 0 : this.#hashedBytes);
    if (unhashed < ERRAND_MIN_BYTES || this.#found?.changes === changes) return;
    throw Deferred.of({ type: "hash", path: this.path, sync: this.#temporary }, ({ hash }) => {
      this.#found = { hash, changes };
    });
  }

  hash(): BlobHash {
    if (this.#found?.changes === this.#changes) return this.#found.hash;
    // A copy, so that a file that is still being appended to need not be read again.
    const copy = this.#hash?.copy() ?? createHash("sha256");
    hashRange(copy, this.fd, this.#hash === undefined ? 0 : this.#hashedBytes, this.size);
    return copy.digest("hex") as BlobHash;
  }

  close(): void {
    if (this.#detached) return;
    closeSync(this.fd);
    if (this.#temporary) unlinkSync(this.path);
  }

  /** What was hashed so far holds no longer, unless nothing of it is left. */
  #restartHash(keptBytes: number): void {
    this.#hash = this.#temporary && keptBytes === 0 ? createHash("sha256") : undefined;
    this.#hashedBytes = 0;
  }

  /** Takes away what a failed write has added at the end. */
  #cutBack(): void {
    if (fstatSync(this.fd).size > this.size) ftruncateSync(this.fd, this.size);
  }
}

function copyInto(source: Uint8Array, size: number, offset: number, target: Uint8Array): number {
  if (offset >= size) return 0;
  const length = Math.min(target.byteLength, size - offset);
  target.set(source.subarray(offset, offset + length));
  return length;
}

export function writeFully(fd: number, offset: number, bytes: Uint8Array): void {
  let done = 0;
  while (done < bytes.byteLength) {
    done += writeSync(fd, bytes, done, bytes.byteLength - done, offset + done);
  }
}

function readFully(fd: number, offset: number, target: Uint8Array): number {
  let done = 0;
  while (done < target.byteLength) {
    const length = readSync(fd, target, done, target.byteLength - done, offset + done);
    if (length === 0) break;
    done += length;
  }
  return done;
}

function seekWithoutHoles(size: number, offset: number, whence: number): number {
  if (offset < 0 || offset >= size) throw new PosixError("ENXIO");
  return whence === Seek.data ? offset : size;
}
