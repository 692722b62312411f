/**
 * Owns writing the whole of a book to a directory, byte-exact: the files that the log has at one position, and the
 * directories that are there. Must never change what is in the directory besides.
 */
import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { PfsError } from "../schema/errors.ts";
import { BASE, type BlobHash, type BookId, type Seq } from "../schema/ids.ts";
import { damages, ExportTarget } from "./export-target.ts";
import { makeDirectories } from "./make-directories.ts";
import type { ManifestPosition } from "./manifest.ts";
import { PastFiles } from "./past/past-files.ts";
import type { BookFile, StoreReader } from "./reader.ts";
import { JournalMode } from "./worktree/node-rows.ts";

/** The manifest is that of what was written. */
export interface ExportCounts extends ManifestPosition {
  readonly files: number;
  readonly symlinks: number;
  readonly directories: number;
  readonly sizeBytes: number;
}

/** What is done so far, symbolic links included. */
export interface ExportProgress {
  readonly files: number;
  readonly totalFiles: number;
  readonly sizeBytes: number;
  readonly totalSizeBytes: number;
}

export interface ExportOptions {
  /** Also into a directory that holds something: files of the book replace those of the same name, others stay. */
  readonly force?: boolean;
  readonly onProgress?: (progress: ExportProgress) => void;
}

/**
 * Writes the book, as it is at this moment, to `directory`, which is made when it is not there.
 * @throws PfsError NOT_FOUND: no such book; EXISTS: the directory is not empty (and no `force`), or something in it is in
 *   the way; CORRUPT: after all others were written, naming the files whose bytes are damaged; FULL
 */
export async function exportBook(
  reader: StoreReader,
  bookId: BookId,
  directory: string,
  options: ExportOptions = {},
): Promise<ExportCounts> {
  reader.book(bookId);
  await prepareTarget(directory, options.force === true);
  const snapshot = reader.openSnapshot();
  try {
    return await writeAll(snapshot, bookId, directory, options.onProgress);
  } finally {
    snapshot.close();
  }
}

async function prepareTarget(directory: string, force: boolean): Promise<void> {
  const names = await readdir(directory).catch(async (error: NodeJS.ErrnoException) => {
    if (error.code === "ENOTDIR") throw new PfsError("EXISTS", `${directory} is not a directory.`);
    if (error.code !== "ENOENT") throw error;
    makeDirectories(directory, 0o777);
    return [];
  });
  if (names.length === 0 || force) return;
  throw new PfsError("EXISTS", `The directory ${directory} is not empty.`, {
    hint: "Name another one, or add --force: then files of the book replace those of the same name.",
  });
}

async function writeAll(
  snapshot: StoreReader,
  bookId: BookId,
  directory: string,
  onProgress: ExportOptions["onProgress"],
): Promise<ExportCounts> {
  const target = new ExportTarget(directory, snapshot);
  const total = snapshot.countFiles(bookId);
  const seq = snapshot.head().seq as Seq;
  const digest = createHash("sha256");
  const counts = { files: 0, symlinks: 0, sizeBytes: 0 };
  const damaged = await target.writeAll(hashed(filesAt(snapshot, bookId, seq), digest), (file) => {
    counts[file.mode === JournalMode.symlink ? "symlinks" : "files"]++;
    counts.sizeBytes += file.sizeBytes;
    onProgress?.({
      files: counts.files + counts.symlinks,
      totalFiles: total.files,
      sizeBytes: counts.sizeBytes,
      totalSizeBytes: total.sizeBytes,
    });
  });
  for (const path of snapshot.directoriesOf(bookId)) await target.ensureDirectory(path);
  if (damaged.length > 0) throw damages(damaged, counts.files + counts.symlinks);
  const manifestHash = digest.digest("hex") as BlobHash;
  return { ...counts, directories: target.directoryCount, manifestHash, seq };
}

function* filesAt({ database }: StoreReader, bookId: BookId, seq: Seq): Generator<BookFile, void> {
  for (const page of new PastFiles(database, bookId, BASE).pages(seq)) yield* page;
}

/** The files, of which the manifest is hashed as they pass. */
function* hashed(
  files: Iterable<BookFile>,
  digest: { update(text: string): unknown },
): Generator<BookFile, void> {
  for (const file of files) {
    digest.update(`${file.path}:${file.sha256}\n`);
    yield file;
  }
}
