/** Owns questions about absolute paths of this machine (not of a book). Must never touch a disk. */
import { relative } from "node:path";

/** Whether `path` is `directory` or somewhere below it; both absolute and free of symbolic links. */
export function isWithin(path: string, directory: string): boolean {
  if (path === directory) return true;
  return path.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}

/** The path below `directory`, "" for itself; undefined if it is not within. */
export function pathWithin(path: string, directory: string): string | undefined {
  return isWithin(path, directory) ? relative(directory, path) : undefined;
}
