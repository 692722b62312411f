/**
 * Owns renaming files of an ordinary directory to names that are free, and taking away the directories that this empties.
 * Must never replace anything, nor touch what is outside of the directory.
 */
import { lstat, mkdir, rename, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import { PosixError } from "../schema/errors.ts";
import { renameExclusive } from "./libc.ts";

/** Paths are relative to the directory. */
export interface DiskRename {
  readonly from: string;
  readonly to: string;
}

/** Makes directories as need be. @returns why it was refused, a whole sentence; undefined when it was renamed */
export async function renameOnDisk(directory: string, { from, to }: DiskRename): Promise<string | undefined> {
  const [source, target] = [join(directory, from), join(directory, to)];
  try {
    await mkdir(dirname(target), { recursive: true });
    await move(source, target);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    if (code === "EEXIST" || code === "ENOTDIR")
      return `There is something at ${target}, or in the way to it.`;
    return `${code}: ${message.replace(/\.$/, "")}.`;
  }
  await removeEmptied(directory, dirname(from));
  return undefined;
}

async function move(source: string, target: string): Promise<void> {
  try {
    renameExclusive(source, target);
  } catch (error) {
    // A file system that cannot do it at once (NFS, for one).
    if (!(error instanceof PosixError) || error.code !== "EINVAL") throw error;
    const isFree = await lstat(target).then(
      () => false,
      () => true,
    );
    if (!isFree) throw new PosixError("EEXIST", `${target} is there.`, { path: target });
    await rename(source, target);
  }
}

async function removeEmptied(directory: string, emptied: string): Promise<void> {
  for (let at = emptied; at !== "." && at !== ""; at = dirname(at)) {
    const isRemoved = await rmdir(join(directory, at)).then(
      () => true,
      () => false,
    );
    if (!isRemoved) return;
  }
}
