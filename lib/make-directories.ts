/**
 * Owns making a directory with those above it. Node's own `recursive` never returns where a file system answers ENOENT to
 * mkdir (/proc), and reports ENOENT for whatever a directory above it was refused with.
 */
import { mkdirSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { PfsError } from "../schema/errors.ts";

/**
 * Makes `path`, an absolute one, and what is missing above it; what is there stays as it is.
 * @throws PfsError USAGE saying which directory cannot be made, and why
 */
export function makeDirectories(path: string, mode: number): void {
  const error = tryMake(path, mode);
  if (error === undefined) return;
  if (error.code !== "ENOENT" || dirname(path) === path) throw directoryRefused(path, error);
  makeDirectories(dirname(path), mode);
  const again = tryMake(path, mode);
  if (again !== undefined) throw directoryRefused(path, again);
}

/** The failure; none when the directory is there now. */
function tryMake(path: string, mode: number): NodeJS.ErrnoException | undefined {
  try {
    mkdirSync(path, { mode });
    return undefined;
  } catch (thrown) {
    const error = thrown as NodeJS.ErrnoException;
    return error.code === "EEXIST" && isDirectory(path) ? undefined : error;
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    // Another user's mount, or a dead one: mkdir's EEXIST says enough.
    return false;
  }
}

/** That a directory cannot be made, as a sentence. */
export function directoryRefused(path: string, cause: NodeJS.ErrnoException): PfsError {
  return new PfsError("USAGE", `The directory ${path} cannot be made: ${cause.code}.`, {
    hint: "Name a place where you may make one.",
    cause,
  });
}
