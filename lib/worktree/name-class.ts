/**
 * Owns what may be made under a name of a book: a part of the book, this machine's scratch, or nothing (R1, S1). Must never
 * look at what is there.
 */
import { PfsError, PosixError } from "../../schema/errors.ts";
import { type DirectoryPath, joinPath, type TreePath } from "../../schema/paths.ts";
import type { Profile } from "../../schema/profiles.ts";
import { isDecoration, isScratchName } from "../../schema/scratch.ts";
import type { DirectoryPlace } from "./directory-paths.ts";

export type NameClass = "tracked" | "scratch" | "invalid";

/** The control directory of every mount: no book can hold it. */
export const CONTROL_DIRECTORY = ".pfs";

/**
 * What a name in a directory may hold.
 * @throws PfsError INVALID_PATH; PosixError ENAMETOOLONG
 */
export function classifyName(
  profile: Profile,
  place: DirectoryPlace,
  name: string,
  type: "file" | "directory" | "symlink",
): NameClass {
  const path = joinPath(place.path, name);
  if (path === CONTROL_DIRECTORY) return "invalid";
  if (place.scratch || isScratchName(name)) return "scratch";
  if (type === "directory") {
    if (profile.admitsDirectory(path)) return "tracked";
    return isDecoratedDirectory(profile, name, place.path) ? "scratch" : "invalid";
  }
  if (profile.matchesFile(path)) return type === "file" || profile.symlinks ? "tracked" : "invalid";
  return isDecoration(name, (candidate) => isValid(place.path, candidate, (p) => profile.matchesFile(p)))
    ? "scratch"
    : "invalid";
}

/** A name of scratch for what had that name and is only this machine's from now on. */
export function asideName(name: string, isTaken: (aside: string) => boolean): string {
  let aside = `${name}~`;
  for (let count = 1; isTaken(aside); count++) aside = `${name}.${count}~`;
  return aside;
}

/** Whether a directory's name is scratch by the rule that a decoration of a valid sibling's name is. */
export function isDecoratedDirectory(profile: Profile, name: string, parent: DirectoryPath): boolean {
  const admits = (path: TreePath) => profile.admitsDirectory(path);
  return (
    !isValid(parent, name, admits) && isDecoration(name, (candidate) => isValid(parent, candidate, admits))
  );
}

function isValid(parent: DirectoryPath, name: string, ask: (path: TreePath) => boolean): boolean {
  try {
    return ask(joinPath(parent, name));
  } catch (error) {
    if (error instanceof PfsError || error instanceof PosixError) return false;
    throw error;
  }
}
