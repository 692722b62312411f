/**
 * Owns writing a book's files to a directory, byte-exact, with executable bit, modification time and symbolic links.
 * Must never write outside of that directory: no symbolic link in it is followed.
 */
import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import { lstat, mkdir, open, readdir, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PfsError } from "../schema/errors.ts";
import type { BookId } from "../schema/ids.ts";
import { parseTreePath } from "../schema/paths.ts";
import { futimens, setLinkTimes } from "./libc.ts";
import { makeDirectories } from "./make-directories.ts";
import type { BookFile, StoreReader } from "./reader.ts";
import { runBounded } from "./run-bounded.ts";
import { JournalMode } from "./worktree/node-rows.ts";

export interface ExportCounts {
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

/** One export under way. */
interface Export {
  readonly snapshot: StoreReader;
  readonly directory: string;
  /** Directories that are known to be there, and to be no links; by path in the book. */
  readonly directories: Map<string, Promise<void>>;
  readonly damaged: PfsError[];
}

const CONCURRENCY = 8;
const SHOWN_DAMAGES = 5;

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
    const task: Export = { snapshot, directory, directories: new Map(), damaged: [] };
    task.directories.set("", Promise.resolve());
    const counts = await writeAll(task, bookId, options.onProgress);
    if (task.damaged.length > 0) throw damages(task.damaged, counts.files + counts.symlinks);
    return counts;
  } catch (error) {
    throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? full(directory, error) : error;
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
  task: Export,
  bookId: BookId,
  onProgress: ExportOptions["onProgress"],
): Promise<ExportCounts> {
  const total = task.snapshot.countFiles(bookId);
  const counts = { files: 0, symlinks: 0, sizeBytes: 0 };
  await runBounded(task.snapshot.filesOf(bookId), CONCURRENCY, async (file) => {
    // A damaged or hostile journal must not lead out of the directory.
    parseTreePath(file.path);
    await ensureDirectory(task, parentOf(file.path));
    try {
      if (file.mode === JournalMode.symlink) await writeSymlink(task, file);
      else await writeFile(task, file);
    } catch (error) {
      // The rest is worth having all the same.
      if (!(error instanceof PfsError && error.code === "CORRUPT")) throw error;
      task.damaged.push(error);
      return;
    }
    counts[file.mode === JournalMode.symlink ? "symlinks" : "files"]++;
    counts.sizeBytes += file.sizeBytes;
    onProgress?.({
      files: counts.files + counts.symlinks,
      totalFiles: total.files,
      sizeBytes: counts.sizeBytes,
      totalSizeBytes: total.sizeBytes,
    });
  });
  for (const path of task.snapshot.directoriesOf(bookId)) await ensureDirectory(task, path);
  return { ...counts, directories: task.directories.size - 1 };
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "" : path.slice(0, slash);
}

/** Makes a directory and those above it. @throws PfsError EXISTS when a file or a link is there */
function ensureDirectory(task: Export, path: string): Promise<void> {
  let made = task.directories.get(path);
  if (made === undefined) {
    made = ensureDirectory(task, parentOf(path)).then(() => makeDirectory(join(task.directory, path)));
    task.directories.set(path, made);
  }
  return made;
}

async function makeDirectory(directory: string): Promise<void> {
  const found = await find(directory);
  if (found === undefined) await mkdir(directory);
  else if (!found.isDirectory()) throw inTheWay(directory, found, "a directory");
}

async function find(path: string): Promise<Stats | undefined> {
  return await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

function inTheWay(path: string, found: Stats, wanted: string): PfsError {
  const what = found.isSymbolicLink() ? "a symbolic link" : found.isDirectory() ? "a directory" : "a file";
  return new PfsError("EXISTS", `${path} is ${what}; the book has ${wanted} there.`, {
    hint: "Remove it, or export to another directory.",
  });
}

async function writeFile(task: Export, file: BookFile): Promise<void> {
  const target = join(task.directory, file.path);
  const temporary = temporaryBeside(target);
  // As git does: the umask decides the rest.
  const handle = await open(temporary, "wx", file.mode === JournalMode.executable ? 0o777 : 0o666);
  try {
    try {
      for await (const chunk of task.snapshot.readChunks(file.sha256, file.path))
        await handle.writeFile(chunk);
      futimens(handle.fd, file.mtime, file.mtime);
    } finally {
      await handle.close();
    }
    await replace(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function writeSymlink(task: Export, file: BookFile): Promise<void> {
  const target = join(task.directory, file.path);
  const temporary = temporaryBeside(target);
  await symlink(await task.snapshot.readBytes(file.sha256, file.path), temporary);
  try {
    setLinkTimes(temporary, file.mtime, file.mtime);
    await replace(temporary, target);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

async function replace(temporary: string, target: string): Promise<void> {
  try {
    await rename(temporary, target);
  } catch (error) {
    const found = await find(target);
    throw found?.isDirectory() === true ? inTheWay(target, found, "a file") : error;
  }
}

/** A short name, as the file's own may be as long as names can be. */
function temporaryBeside(target: string): string {
  return join(dirname(target), `.pfs-${randomBytes(6).toString("hex")}.tmp`);
}

function damages(damaged: readonly PfsError[], written: number): PfsError {
  const messages = damaged.slice(0, SHOWN_DAMAGES).map((error) => error.message);
  if (damaged.length > SHOWN_DAMAGES) messages.push(`And ${damaged.length - SHOWN_DAMAGES} more.`);
  return new PfsError("CORRUPT", messages.join("\n"), {
    path: damaged[0]!.path,
    hint: `All others (${written}) were written. Run \`pfs verify\` for all that is damaged.`,
    cause: damaged[0],
  });
}

function full(directory: string, cause: unknown): PfsError {
  return new PfsError("FULL", `The disk of ${directory} is full.`, {
    hint: "Free some space on it, or export to another one; the book is unharmed.",
    cause,
  });
}
