/**
 * Owns bringing files from a directory into a book: reading them (which may wait), and recording them batch by batch
 * (which never waits). Must never enter a path that the book's schema does not admit (R1), nor change a byte.
 */
import { createHash, hash as sha256 } from "node:crypto";
import { constants } from "node:fs";
import { copyFile, type FileHandle, open, readlink, unlink } from "node:fs/promises";
import { PfsError } from "../schema/errors.ts";
import type { BlobHash, FileId } from "../schema/ids.ts";
import { INLINE_MAX_BYTES } from "./blobs.ts";
import { newDraftPath } from "./draft-path.ts";
import type { ScannedFile } from "./import-scan.ts";
import { allocatePageAligned } from "./libc.ts";
import type { Actor } from "./node.ts";
import { runBounded } from "./run-bounded.ts";
import { discardStaged, type LargeBytes, type SmallBytes } from "./staging.ts";
import { fromNanoseconds, type Time } from "./time.ts";
import { recordFiles } from "./worktree/record-files.ts";
import type { Worktree } from "./worktree/worktree.ts";

/** A file with its bytes, ready to be recorded. Plain data: it may be sent to the thread that owns the store. */
export interface ReadFile {
  /** In the book. */
  readonly path: string;
  readonly type: "file" | "symlink";
  readonly hash: BlobHash;
  readonly sizeBytes: number;
  /** st_mode, with the file type. */
  readonly mode: number;
  readonly mtime: Time;
  /**
   * Small ones: the bytes, in an ArrayBuffer of their own that may be transferred. Large ones: a copy in the store's
   * drafts/, durable; importBatch takes it away, discardStaged does when there will be no import. Of what is in the
   * store already, nothing: only the file id that a new file is to have, if it is to have a certain one that is free.
   */
  readonly content: SmallBytes | LargeBytes | { readonly stored: true; readonly fileId?: FileId | undefined };
}

export interface ImportCounts {
  readonly created: number;
  /** Bytes, executable bit or time were other than before. */
  readonly updated: number;
  readonly unchanged: number;
}

export interface ReadOptions {
  /** Where large files are staged. */
  readonly storeDirectory: string;
}

/** A batch has at most this many files, and bytes in memory (or one file). */
const BATCH_FILES = 200;
const BATCH_BYTES = 8 * 1024 * 1024;
const CONCURRENCY = 8;
const CHUNK_BYTES = 1024 * 1024;

/**
 * Reads what {@link readForImport} reads, several at once, in the order of `files`. While one batch is being recorded the
 * next is read. To be ended by reading to the end or by `return()`: both leave nothing staged that was not handed out.
 * @throws as {@link readForImport}
 */
export async function* readInBatches(
  files: readonly ScannedFile[],
  options: ReadOptions,
): AsyncGenerator<ReadFile[], void> {
  const batches = cutBatches(files);
  let next = batches.length === 0 ? undefined : readBatch(batches[0]!, options);
  try {
    for (let index = 0; next !== undefined; index++) {
      const batch: ReadFile[] = await next;
      const following = batches[index + 1];
      next = following === undefined ? undefined : readBatch(following, options);
      // A failure is reported when its batch is due, not while another is being recorded.
      next?.catch(() => undefined);
      yield batch;
    }
  } finally {
    await next?.then(
      (batch) => Promise.all(batch.map(discardStaged)),
      () => undefined,
    );
  }
}

/**
 * Reads one file: as it is when it is opened, without following a symbolic link.
 * @throws PfsError NOT_FOUND: gone since the scan; NOT_PERMITTED: cannot be read; FULL
 */
export async function readForImport(file: ScannedFile, options: ReadOptions): Promise<ReadFile> {
  try {
    return file.type === "symlink" ? await readSymlink(file) : await readRegular(file, options);
  } catch (error) {
    throw explain(error, file);
  }
}

/**
 * Records files in one transaction, all or none; for the thread that owns the store. Makes the directories that are
 * missing. Files that are open without a draft show the new bytes; a draft keeps its own and conflicts at its save (W1).
 * @param directories of the book, also empty ones
 * @throws PfsError SCHEMA_VIOLATION, INVALID_PATH, TOO_LARGE, FULL; EXISTS when something else is at a path;
 *   CORRUPT when bytes are not what they were when they were read
 */
export function importBatch(
  worktree: Worktree,
  files: readonly ReadFile[],
  directories: readonly string[],
  actor: Actor,
): ImportCounts {
  return recordFiles(worktree.tree, files, directories, actor);
}

function cutBatches(files: readonly ScannedFile[]): ScannedFile[][] {
  const batches: ScannedFile[][] = [];
  let batch: ScannedFile[] = [];
  let sizeBytes = 0;
  for (const file of files) {
    if (batch.length > 0 && (batch.length >= BATCH_FILES || sizeBytes + file.sizeBytes > BATCH_BYTES)) {
      batches.push(batch);
      batch = [];
      sizeBytes = 0;
    }
    batch.push(file);
    sizeBytes += file.sizeBytes;
  }
  if (batch.length > 0) batches.push(batch);
  return batches;
}

async function readBatch(files: readonly ScannedFile[], options: ReadOptions): Promise<ReadFile[]> {
  const read = new Array<ReadFile | undefined>(files.length);
  try {
    await runBounded(files.entries(), CONCURRENCY, async ([index, file]) => {
      read[index] = await readForImport(file, options);
    });
  } catch (error) {
    for (const file of read) if (file !== undefined) await discardStaged(file);
    throw error;
  }
  return read as ReadFile[];
}

async function readSymlink(file: ScannedFile): Promise<ReadFile> {
  const target = await readlink(file.source, { encoding: "buffer" });
  const bytes = new Uint8Array(target);
  const { path, type, mode, mtime } = file;
  return {
    path,
    type,
    hash: sha256("sha256", bytes, "hex") as BlobHash,
    sizeBytes: bytes.byteLength,
    mode,
    mtime,
    content: { bytes },
  };
}

async function readRegular(file: ScannedFile, options: ReadOptions): Promise<ReadFile> {
  const source = await open(file.source, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const found = await source.stat({ bigint: true });
    if (!found.isFile()) throw new PfsError("NOT_PERMITTED", `${file.source} is no longer a file.`);
    const { path, type } = file;
    const same = { path, type, mode: Number(found.mode), mtime: fromNanoseconds(found.mtimeNs) };
    const bytes =
      found.size > INLINE_MAX_BYTES
        ? undefined
        : await readSmall(source, Number(found.size), INLINE_MAX_BYTES);
    if (bytes === undefined) return { ...same, ...(await stage(file, source, options.storeDirectory)) };
    const hash = sha256("sha256", bytes, "hex") as BlobHash;
    return { ...same, hash, sizeBytes: bytes.byteLength, content: { bytes } };
  } finally {
    await source.close();
  }
}

/** All bytes, or undefined when there are more than `limit`: then it grew after it was measured. */
async function readSmall(source: FileHandle, size: number, limit: number): Promise<Uint8Array | undefined> {
  // One byte more than expected, so that one read shows the end.
  let buffer = Buffer.allocUnsafeSlow(size + 1);
  let length = 0;
  for (;;) {
    const { bytesRead } = await source.read(buffer, length, buffer.byteLength - length, length);
    length += bytesRead;
    if (bytesRead === 0 || length < buffer.byteLength) break;
    if (length > limit) return undefined;
    const larger = Buffer.allocUnsafeSlow(buffer.byteLength * 2);
    larger.set(buffer);
    buffer = larger;
  }
  return length > limit ? undefined : buffer.subarray(0, length);
}

/** Copies a large file into the store, durably, and hashes the copy. */
async function stage(
  file: ScannedFile,
  source: FileHandle,
  storeDirectory: string,
): Promise<Pick<ReadFile, "hash" | "sizeBytes" | "content">> {
  const stagedPath = newDraftPath(storeDirectory);
  try {
    // By its descriptor, as its name may mean another file by now.
    await copyFile(
      `/proc/self/fd/${source.fd}`,
      stagedPath,
      constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE,
    );
    const copy = await open(stagedPath, "r+");
    try {
      await copy.chmod(0o600);
      const digest = createHash("sha256");
      const chunk = allocatePageAligned(0, CHUNK_BYTES);
      let sizeBytes = 0;
      for (;;) {
        const { bytesRead } = await copy.read(chunk, 0, CHUNK_BYTES, sizeBytes);
        if (bytesRead === 0) break;
        digest.update(chunk.subarray(0, bytesRead));
        sizeBytes += bytesRead;
      }
      if (sizeBytes <= INLINE_MAX_BYTES)
        throw new PfsError("CORRUPT", `${file.source} was cut short while it was being read.`);
      await copy.sync();
      return { hash: digest.digest("hex") as BlobHash, sizeBytes, content: { stagedPath } };
    } finally {
      await copy.close();
    }
  } catch (error) {
    await unlink(stagedPath).catch(() => undefined);
    throw error;
  }
}

function explain(error: unknown, file: ScannedFile): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  const options = { path: file.path, cause: error };
  if (error instanceof PfsError || code === undefined) return error;
  if (code === "ENOSPC" || code === "EDQUOT") {
    return new PfsError("FULL", `The disk is full; ${file.source} could not be imported.`, options);
  }
  if (code === "ENOENT" || code === "ELOOP") {
    return new PfsError("NOT_FOUND", `${file.source} went away while it was being imported.`, options);
  }
  if (code === "EAGAIN") {
    return new PfsError("NOT_PERMITTED", `${file.source} was changed while it was being read.`, options);
  }
  return new PfsError("NOT_PERMITTED", `${file.source} cannot be read: ${code}.`, options);
}
