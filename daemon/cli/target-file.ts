/**
 * Owns a file that a command makes: it has its name once it is whole, and nothing of it is left if it never is. Must never
 * replace what it was not told to.
 */
import { randomBytes } from "node:crypto";
import { rmSync, type Stats } from "node:fs";
import { type FileHandle, link, open, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PfsError } from "../../schema/errors.ts";

/** File systems without hard links say one of these. */
const NO_LINKS: ReadonlySet<unknown> = new Set(["EPERM", "ENOSYS", "EOPNOTSUPP", "ENOTSUP", "EMLINK"]);
const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/**
 * Makes the file at `path`; a device or a pipe that is there is written to as it is.
 * @throws PfsError USAGE where nothing can be written; EXISTS, unless `force`; FULL; what `write` throws
 */
export async function makeTargetFile<Result>(
  path: string,
  { force }: { readonly force: boolean },
  write: (file: FileHandle) => Promise<Result>,
): Promise<Result> {
  const found = await find(path);
  if (found?.isDirectory() === true)
    throw new PfsError("EXISTS", `${path} is a directory.`, { hint: "Name a file." });
  if (found !== undefined && !found.isFile()) return await using(await opened(path, path, "w"), write);
  if (found !== undefined && !force) throw exists(path);
  // A short name, as the file's own may be as long as names can be.
  const temporary = join(dirname(path), `.pfs-${randomBytes(6).toString("hex")}.tmp`);
  const stopListening = removeOnSignal(temporary);
  try {
    const result = await using(await opened(path, temporary, "wx"), write);
    await name(temporary, path, force);
    return result;
  } catch (error) {
    await rm(temporary, { force: true });
    throw (error as NodeJS.ErrnoException).code === "ENOSPC" ? full(path, error) : error;
  } finally {
    stopListening();
  }
}

/** Opens `name` to write what is to be the file at `path`, by which it is known to whoever asked for it. */
async function opened(path: string, name: string, flags: "w" | "wx"): Promise<FileHandle> {
  return await open(name, flags, 0o666).catch((error) => {
    throw unwritableFile(path, error);
  });
}

/** The refusal for a file that cannot be written where it is to be. */
export function unwritableFile(path: string, cause: unknown): PfsError {
  const { code } = cause as NodeJS.ErrnoException;
  const why = code === "ENOENT" ? `there is no directory ${dirname(path)}` : code;
  return new PfsError("USAGE", `${path} cannot be written: ${why}.`, {
    path,
    hint: "Name a file that you may write.",
    cause,
  });
}

async function using<Result>(
  file: FileHandle,
  write: (file: FileHandle) => Promise<Result>,
): Promise<Result> {
  try {
    return await write(file);
  } finally {
    await file.close();
  }
}

async function find(path: string): Promise<Stats | undefined> {
  return await stat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw unwritableFile(path, error);
  });
}

async function name(temporary: string, path: string, force: boolean): Promise<void> {
  if (!force) {
    try {
      // What came to be there meanwhile is not replaced.
      await link(temporary, path);
      await rm(temporary);
      return;
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") throw exists(path);
      if (!NO_LINKS.has(code)) throw error;
    }
  }
  await rename(temporary, path);
}

function removeOnSignal(temporary: string): () => void {
  const end = (signal: NodeJS.Signals): void => {
    rmSync(temporary, { force: true });
    process.exit(128 + SIGNALS[signal as keyof typeof SIGNALS]);
  };
  const signals = Object.keys(SIGNALS) as NodeJS.Signals[];
  for (const signal of signals) process.on(signal, end);
  return () => {
    for (const signal of signals) process.off(signal, end);
  };
}

function exists(path: string): PfsError {
  return new PfsError("EXISTS", `${path} is there already.`, {
    hint: "Name another file, or replace it with --force.",
  });
}

function full(path: string, cause: unknown): PfsError {
  return new PfsError("FULL", `The disk of ${path} is full.`, {
    hint: "Free some space on it, or write to another one; the book is unharmed.",
    cause,
  });
}
