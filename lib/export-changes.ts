/**
 * Owns bringing a directory that a book was exported to from one state of the book to another: costs what changed in
 * between. Must never write over, or delete, what is not as the book had it, unless it is told to.
 */
import { createHash } from "node:crypto";
import type { BigIntStats } from "node:fs";
import { lstat, open, readdir, readlink, rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { PfsError } from "../schema/errors.ts";
import { BASE, type BookId, type Seq } from "../schema/ids.ts";
import { parseTreePath } from "../schema/paths.ts";
import { damages, ExportTarget, inTheWay, parentOf } from "./export-target.ts";
import { makeDirectories } from "./make-directories.ts";
import { changesBetween, type PathChange } from "./past/changes.ts";
import { PastFiles } from "./past/past-files.ts";
import type { BookFile, StoreReader } from "./reader.ts";
import { compareTimes, toNanoseconds } from "./time.ts";
import { JournalMode } from "./worktree/node-rows.ts";

export interface ChangesExport {
  readonly bookId: BookId;
  /** The state that the directory has. */
  readonly from: Seq;
  readonly to: Seq;
  readonly directory: string;
  /** Also over what somebody changed in the directory. */
  readonly force?: boolean;
}

/** What was done; a file that was as it is to be is in none of these. */
export interface ExportedChanges {
  readonly written: number;
  readonly deleted: number;
  /** Of what was written. */
  readonly sizeBytes: number;
}

/** What is to be done about one path, after a look at what is there. */
type Step = "nothing" | "write" | "delete" | "refuse";

const SHOWN_PATHS = 5;

/**
 * Looks at every path that changed before anything is done; files that did not change are not looked at. Each file comes
 * whole, in place of the old one, so that an export that was killed is finished by doing it again.
 * @throws PfsError NOT_FOUND: the directory is not there, or empty; EXISTS: something in it is not as the book had it, and
 *   nothing was changed; CORRUPT, FULL: as exportBook
 */
export async function exportChanges(reader: StoreReader, input: ChangesExport): Promise<ExportedChanges> {
  const { bookId, from, to, directory, force = false } = input;
  const changes = [...changesBetween(reader.database, { bookId, layer: BASE, from, to })].filter(isExported);
  await prepareTarget(reader, input, changes);
  const look = new Look(directory, changes);
  const steps = new Map<PathChange, Step>();
  const edited: string[] = [];
  for (const change of changes) {
    const step = await look.stepFor(change);
    if (step === "refuse") edited.push(change.path);
    steps.set(change, step === "refuse" ? (change.after === undefined ? "delete" : "write") : step);
  }
  if (edited.length > 0 && !force) throw editedFiles(directory, edited);
  const target = new ExportTarget(directory, reader);
  for (const path of look.directories) await target.clear(path);
  const toDelete = changes.filter((change) => steps.get(change) === "delete");
  for (const { path } of toDelete) await rm(join(directory, path), { force: true });
  await removeEmptied(directory, look.emptied);
  const counts = { written: 0, deleted: toDelete.length, sizeBytes: 0 };
  const toWrite = changes
    .filter((change) => steps.get(change) === "write")
    .map(({ after }) => after as BookFile);
  const damaged = await target.writeAll(toWrite, ({ sizeBytes }) => {
    counts.written++;
    counts.sizeBytes += sizeBytes;
  });
  if (damaged.length > 0) throw damages(damaged, counts.written);
  return counts;
}

/** A file that was replaced by an equal one is the same in a directory. */
function isExported({ before, after }: PathChange): boolean {
  if (before === undefined || after === undefined) return true;
  return (
    before.sha256 !== after.sha256 ||
    before.mode !== after.mode ||
    compareTimes(before.mtime, after.mtime) !== 0
  );
}

/** Looks at what is in the directory, without following a link. */
class Look {
  /** Directories that are there, of paths that changed. */
  readonly directories = new Set<string>();
  /** Those of paths that the book has no more: they may be empty when it is done. */
  readonly emptied = new Set<string>();
  readonly #directory: string;
  /** Paths that are a file at one of the ends: what is there is no directory, or is not going to be. */
  readonly #files: ReadonlySet<string>;
  readonly #above: ReadonlySet<string>;

  constructor(directory: string, changes: readonly PathChange[]) {
    this.#directory = directory;
    this.#files = new Set(changes.map(({ path }) => path));
    this.#above = new Set(
      changes.filter(({ before }) => before !== undefined).flatMap(({ path }) => parentsOf(path)),
    );
  }

  /** @throws PfsError EXISTS, INVALID_PATH */
  async stepFor({ path, before, after }: PathChange): Promise<Step> {
    // A damaged or hostile store must not lead out of the directory.
    parseTreePath(path);
    if (!(await this.#hasParent(path))) return after === undefined ? "nothing" : "write";
    this.directories.add(parentOf(path));
    if (after === undefined) for (const parent of parentsOf(path)) this.emptied.add(parent);
    const place = join(this.#directory, path);
    const found = await statsOf(place);
    if (found === undefined) return after === undefined ? "nothing" : "write";
    if (found.isDirectory()) {
      if (after === undefined) return "nothing";
      // It goes with the files that the book had in it.
      if (this.#above.has(path)) return "write";
      throw inTheWay(place, found, "a file");
    }
    if (after !== undefined && (await hasBytes(place, found, after)))
      return hasAttributes(found, after) ? "nothing" : "write";
    if (before === undefined || !(await hasBytes(place, found, before))) return "refuse";
    return after === undefined ? "delete" : "write";
  }

  /** Whether the directory of a path is there, and is one. @throws PfsError EXISTS when something of others is in its place */
  async #hasParent(path: string): Promise<boolean> {
    for (const parent of parentsOf(path)) {
      const place = join(this.#directory, parent);
      const found = await statsOf(place);
      if (found === undefined) return false;
      if (found.isDirectory()) continue;
      if (this.#files.has(parent)) return false;
      throw inTheWay(place, found, "a directory");
    }
    return true;
  }
}

/** The directories that a path is in, from the outermost on, without the root. */
function parentsOf(path: string): string[] {
  const parents: string[] = [];
  for (let at = parentOf(path); at !== ""; at = parentOf(at)) parents.unshift(at);
  return parents;
}

async function statsOf(place: string): Promise<BigIntStats | undefined> {
  return await lstat(place, { bigint: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

async function hasBytes(place: string, found: BigIntStats, file: BookFile): Promise<boolean> {
  if (found.isSymbolicLink() !== (file.mode === JournalMode.symlink)) return false;
  const digest = createHash("sha256");
  if (found.isSymbolicLink()) digest.update(await readlink(place, { encoding: "buffer" }));
  else {
    if (!found.isFile() || found.size !== BigInt(file.sizeBytes)) return false;
    const handle = await open(place, "r");
    try {
      for await (const chunk of handle.createReadStream({ autoClose: false })) digest.update(chunk as Buffer);
    } finally {
      await handle.close();
    }
  }
  return digest.digest("hex") === file.sha256;
}

function hasAttributes(found: BigIntStats, { mode, mtime }: BookFile): boolean {
  const isExecutable = (found.mode & 0o100n) !== 0n;
  const hasMode = mode === JournalMode.symlink || isExecutable === (mode === JournalMode.executable);
  return hasMode && found.mtimeNs === toNanoseconds(mtime);
}

async function removeEmptied(directory: string, emptied: ReadonlySet<string>): Promise<void> {
  // What is in a directory comes before it.
  for (const path of [...emptied].sort().reverse()) {
    await rmdir(join(directory, path)).catch((error: NodeJS.ErrnoException) => {
      if (!["ENOTEMPTY", "EEXIST", "ENOENT"].includes(error.code ?? "")) throw error;
    });
  }
}

/** Whoever has lost what was in the directory must not be left with the changes alone. */
async function prepareTarget(
  { database }: StoreReader,
  { bookId, from, directory }: ChangesExport,
  changes: readonly PathChange[],
): Promise<void> {
  const names = await readdir(directory).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOTDIR") throw new PfsError("EXISTS", `${directory} is not a directory.`);
    if (error.code !== "ENOENT") throw error;
    return undefined;
  });
  if (names !== undefined && names.length > 0) return;
  const changed = new Set(changes.map(({ path }) => path as string));
  for (const page of new PastFiles(database, bookId, BASE).pages(from)) {
    if (page.every(({ path }) => changed.has(path))) continue;
    throw new PfsError("NOT_FOUND", `${directory} is ${names === undefined ? "not there" : "empty"}.`, {
      hint: "Export the whole book to it first: without --since.",
    });
  }
  if (names === undefined) makeDirectories(directory, 0o777);
}

function editedFiles(directory: string, paths: readonly string[]): PfsError {
  const shown = paths.slice(0, SHOWN_PATHS).join(", ");
  const more = paths.length > SHOWN_PATHS ? ` and ${paths.length - SHOWN_PATHS} more` : "";
  return new PfsError("EXISTS", `In ${directory} somebody has changed ${shown}${more}. Nothing was done.`, {
    path: paths[0]!,
    hint: "Save what you want to keep of it elsewhere, then add --force: the book's files replace it.",
  });
}
