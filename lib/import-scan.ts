/**
 * Owns looking through a directory that is to be imported: what is in it, what of that is left out and why, and what
 * stops the import. Must never follow a symbolic link nor read a file's bytes.
 */
import type { BigIntStats, Dirent } from "node:fs";
import { access, constants, lstat, readdir, stat } from "node:fs/promises";
import { userInfo } from "node:os";
import { PfsError, PosixError } from "../schema/errors.ts";
import { quote } from "../schema/ids.ts";
import { type DirectoryPath, decodeName, joinPath, parseTreePath, ROOT } from "../schema/paths.ts";
import { isScratchName } from "../schema/scratch.ts";
import { runBounded } from "./run-bounded.ts";
import { fromNanoseconds, type Time } from "./time.ts";
import { CONTROL_DIRECTORY } from "./worktree/name-class.ts";

/** One file that is to be imported. */
export interface ScannedFile {
  /** In the book. */
  readonly path: string;
  /** Where it is now. */
  readonly source: string;
  readonly type: "file" | "symlink";
  readonly sizeBytes: number;
  /** st_mode, with the file type. */
  readonly mode: number;
  readonly mtime: Time;
}

/** Something that was left out. */
export interface SkippedFile {
  /** In the book. */
  readonly path: string;
  /** A few words. */
  readonly reason: string;
}

export interface ScanResult {
  /** Sorted by path, as UTF-16. */
  readonly files: readonly ScannedFile[];
  /** In the book, empty ones too, each before what is in it. */
  readonly directories: readonly string[];
  readonly skipped: readonly SkippedFile[];
}

export interface ScanOptions {
  /** Directory of the book that everything goes into; default its root. */
  readonly into?: string;
}

/** What a scan met that no book can take. */
export interface ScanProblem {
  readonly path: string;
  /** A whole sentence. */
  readonly message: string;
  readonly code: "INVALID_PATH" | "NOT_PERMITTED";
}

interface Scan {
  readonly files: ScannedFile[];
  readonly directories: string[];
  readonly skipped: SkippedFile[];
  readonly problems: ScanProblem[];
}

const CONCURRENCY = 16;
const SHOWN_PROBLEMS = 5;

/**
 * Looks through `directory`.
 * @throws PfsError NOT_FOUND, USAGE: no such directory; INVALID_PATH, NOT_PERMITTED: something in it cannot be imported
 *   (sockets, fifos, devices, what may not be read, names that are not UTF-8); the message names all or the first few
 */
export async function scanForImport(directory: string, options: ScanOptions = {}): Promise<ScanResult> {
  const { problems, ...result } = await scanDirectory(directory, options);
  const first = problems[0];
  if (first === undefined) return result;
  const shown = problems.slice(0, SHOWN_PROBLEMS).map((problem) => problem.message);
  if (problems.length > SHOWN_PROBLEMS) shown.push(`And ${problems.length - SHOWN_PROBLEMS} more.`);
  throw new PfsError(first.code, shown.join("\n"), {
    path: first.path,
    hint: "Nothing was imported. Move these away or make them readable, then import again.",
  });
}

/** As {@link scanForImport}, with the problems as a part of the answer. @throws PfsError NOT_FOUND, USAGE */
export async function scanDirectory(
  directory: string,
  options: ScanOptions = {},
): Promise<ScanResult & { readonly problems: readonly ScanProblem[] }> {
  await requireDirectory(directory);
  const into: DirectoryPath =
    options.into === undefined || /^\/*$/.test(options.into)
      ? ROOT
      : parseTreePath(options.into.replace(/\/+$/, ""));
  const scan: Scan = { files: [], directories: [], skipped: [], problems: [] };
  if (into !== ROOT) addAncestors(scan, into);
  await scanInto(scan, { source: directory, path: into, isTop: true });
  scan.files.sort((a, b) => (a.path < b.path ? -1 : 1));
  scan.directories.sort();
  return scan;
}

async function requireDirectory(directory: string): Promise<void> {
  const found = await stat(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT" || error.code === "ENOTDIR")
      throw new PfsError("NOT_FOUND", `There is no directory ${directory}.`, { cause: error });
    if (error.code !== "EACCES" && error.code !== "EPERM")
      throw new PfsError("USAGE", `${directory} cannot be read: ${error.code}.`, { cause: error });
    throw new PfsError("NOT_PERMITTED", unreadable(directory, error).message, {
      hint: "A daemon reads as its own user: let that one reach the directory, or copy it to where it can.",
      cause: error,
    });
  });
  if (!found.isDirectory()) throw new PfsError("USAGE", `${directory} is not a directory.`);
}

function addAncestors(scan: Scan, path: string): void {
  const names = path.split("/");
  for (let count = 1; count <= names.length; count++) scan.directories.push(names.slice(0, count).join("/"));
}

/** A directory to look through, and the book's directory that it goes into. */
interface Place {
  readonly source: string;
  readonly path: DirectoryPath;
  /** Only the top of a mount has control files, wherever in the book it goes. */
  readonly isTop: boolean;
}

async function scanInto(scan: Scan, { source, path, isTop }: Place): Promise<void> {
  let entries: Dirent<Buffer>[];
  try {
    entries = await readdir(source, { withFileTypes: true, encoding: "buffer" });
  } catch (error) {
    scan.problems.push(unreadable(source, error));
    return;
  }
  const below: [source: string, path: DirectoryPath][] = [];
  await runBounded(entries, CONCURRENCY, async (entry) => {
    const name = decodeName(entry.name);
    const place = name === undefined ? undefined : placeOf(scan, source, path, name);
    if (name === undefined) scan.problems.push(notUtf8(source, entry.name));
    if (name === undefined || place === undefined) return;
    const from = `${source === "/" ? "" : source}/${name}`;
    if (isScratchName(name)) scan.skipped.push({ path: place, reason: "scratch of an editor or a tool" });
    else if (isTop && name === CONTROL_DIRECTORY)
      scan.skipped.push({ path: place, reason: "control files of a mount" });
    else if (entry.isDirectory()) below.push([from, place]);
    else await addFile(scan, from, place);
  });
  for (const [from, place] of below) {
    scan.directories.push(place);
    await scanInto(scan, { source: from, path: place, isTop: false });
  }
}

/** The path in the book, or undefined when there can be none. */
function placeOf(scan: Scan, source: string, directory: DirectoryPath, name: string) {
  try {
    return joinPath(directory, name);
  } catch (error) {
    if (!(error instanceof PfsError || error instanceof PosixError)) throw error;
    scan.problems.push({ path: `${source}/${name}`, message: error.message, code: "INVALID_PATH" });
    return undefined;
  }
}

async function addFile(scan: Scan, source: string, path: string): Promise<void> {
  let found: BigIntStats;
  try {
    found = await lstat(source, { bigint: true });
    // Root may read everything, so it need not ask.
    if (found.isFile() && process.geteuid?.() !== 0) await access(source, constants.R_OK);
  } catch (error) {
    scan.problems.push(unreadable(source, error));
    return;
  }
  if (!found.isFile() && !found.isSymbolicLink()) {
    const message = `${source} is ${kindOf(found)}, which a book cannot hold.`;
    scan.problems.push({ path: source, message, code: "NOT_PERMITTED" });
    return;
  }
  scan.files.push({
    path,
    source,
    type: found.isFile() ? "file" : "symlink",
    sizeBytes: Number(found.size),
    mode: Number(found.mode),
    mtime: fromNanoseconds(found.mtimeNs),
  });
}

function kindOf(found: BigIntStats): string {
  if (found.isFIFO()) return "a fifo";
  if (found.isSocket()) return "a socket";
  return "a device";
}

function unreadable(source: string, error: unknown): ScanProblem {
  const { code, message: text } = error as NodeJS.ErrnoException;
  const message = `${source} cannot be read by ${reader()}: ${code ?? text}.`;
  return { path: source, message, code: "NOT_PERMITTED" };
}

/** A daemon of the machine has another user than who asks it. */
function reader(): string {
  try {
    return `the user ${userInfo().username}`;
  } catch {
    return `the user ${process.geteuid?.()}`;
  }
}

function notUtf8(directory: string, name: Buffer): ScanProblem {
  const shown = quote(name.toString("utf8"));
  return {
    path: directory,
    message: `${directory} holds a name that is not UTF-8: ${shown}.`,
    code: "INVALID_PATH",
  };
}
