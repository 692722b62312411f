/**
 * Owns the directory that a book is exported to: files come into it whole or not at all, with executable bit, modification
 * time and symbolic links. Must never write outside of it: no symbolic link in it is followed.
 */
import { randomBytes } from "node:crypto";
import type { Stats } from "node:fs";
import { lstat, mkdir, open, readdir, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PfsError } from "../schema/errors.ts";
import { parseTreePath } from "../schema/paths.ts";
import { fetchedAhead } from "./blob-fetcher.ts";
import { futimens, setLinkTimes } from "./libc.ts";
import type { BookFile, StoreReader } from "./reader.ts";
import { runBounded } from "./run-bounded.ts";
import { JournalMode } from "./worktree/node-rows.ts";

const CONCURRENCY = 8;
const SHOWN_DAMAGES = 5;
/** What a killed export leaves. */
const temporaryName = /^\.pfs-[0-9a-f]{12}\.tmp$/;

export class ExportTarget {
  readonly directory: string;
  readonly #reader: StoreReader;
  /** Directories that are known to be there, and to be no links; by path in the book. */
  readonly #directories = new Map<string, Promise<void>>([["", Promise.resolve()]]);

  /** `directory` is there. */
  constructor(directory: string, reader: StoreReader) {
    this.directory = directory;
    this.#reader = reader;
  }

  /** How many directories are known to be there, without the target itself. */
  get directoryCount(): number {
    return this.#directories.size - 1;
  }

  /** Makes a directory and those above it. @throws PfsError EXISTS when a file or a link is there */
  ensureDirectory(path: string): Promise<void> {
    let made = this.#directories.get(path);
    if (made === undefined) {
      made = this.ensureDirectory(parentOf(path)).then(() => makeDirectory(this.#place(path)));
      this.#directories.set(path, made);
    }
    return made;
  }

  /**
   * Writes files of the book, each in place of what is there; those whose bytes are damaged are left out.
   * @returns what is damaged
   * @throws PfsError INVALID_PATH, EXISTS, FULL
   */
  async writeAll(files: Iterable<BookFile>, onWritten: (file: BookFile) => void): Promise<PfsError[]> {
    const damaged: PfsError[] = [];
    try {
      await runBounded(fetchedAhead(this.#reader, files), CONCURRENCY, async (file) => {
        try {
          await this.#write(file);
        } catch (error) {
          // The rest is worth having all the same.
          if (!(error instanceof PfsError && error.code === "CORRUPT")) throw error;
          damaged.push(error);
          return;
        }
        onWritten(file);
      });
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? full(this.directory, error) : error;
    }
    return damaged;
  }

  /** Removes from a directory, which is one, what an export that was killed has left in it. */
  async clear(path: string): Promise<void> {
    for (const name of await readdir(this.#place(path)))
      if (temporaryName.test(name)) await rm(join(this.#place(path), name), { force: true });
  }

  async #write(file: BookFile): Promise<void> {
    // A damaged or hostile store must not lead out of the directory.
    parseTreePath(file.path);
    await this.ensureDirectory(parentOf(file.path));
    const target = this.#place(file.path);
    const temporary = temporaryBeside(target);
    try {
      if (file.mode === JournalMode.symlink) await this.#makeSymlink(file, temporary);
      else await this.#makeFile(file, temporary);
      await replace(temporary, target);
    } catch (error) {
      await rm(temporary, { force: true });
      throw error;
    }
  }

  async #makeFile(file: BookFile, temporary: string): Promise<void> {
    // As git does: the umask decides the rest.
    const handle = await open(temporary, "wx", file.mode === JournalMode.executable ? 0o777 : 0o666);
    try {
      for await (const chunk of this.#reader.readChunks(file.sha256, file.path))
        await handle.writeFile(chunk);
      futimens(handle.fd, file.mtime, file.mtime);
    } finally {
      await handle.close();
    }
  }

  async #makeSymlink(file: BookFile, temporary: string): Promise<void> {
    await symlink(await this.#reader.readBytes(file.sha256, file.path), temporary);
    setLinkTimes(temporary, file.mtime, file.mtime);
  }

  #place(path: string): string {
    return join(this.directory, path);
  }
}

/** The path of the directory that a path is in; "" is the root. */
export function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** What is at a path of this machine, itself and not what it points to. */
async function findStats(path: string): Promise<Stats | undefined> {
  return await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
}

async function makeDirectory(directory: string): Promise<void> {
  const found = await findStats(directory);
  if (found === undefined) await mkdir(directory);
  else if (!found.isDirectory()) throw inTheWay(directory, found, "a directory");
}

/** What is in a place that the book wants for something else. */
export function inTheWay(
  path: string,
  found: Pick<Stats, "isSymbolicLink" | "isDirectory">,
  wanted: string,
): PfsError {
  const what = found.isSymbolicLink() ? "a symbolic link" : found.isDirectory() ? "a directory" : "a file";
  return new PfsError("EXISTS", `${path} is ${what}; the book has ${wanted} there.`, {
    hint: "Remove it, or export to another directory.",
  });
}

async function replace(temporary: string, target: string): Promise<void> {
  try {
    await rename(temporary, target);
  } catch (error) {
    const found = await findStats(target);
    throw found?.isDirectory() === true ? inTheWay(target, found, "a file") : error;
  }
}

/** A short name, as the file's own may be as long as names can be. */
function temporaryBeside(target: string): string {
  return join(dirname(target), `.pfs-${randomBytes(6).toString("hex")}.tmp`);
}

/** @param written how many others were */
export function damages(damaged: readonly PfsError[], written: number): PfsError {
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
