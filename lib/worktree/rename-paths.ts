/**
 * Owns renaming by path, for callers that are no mount: each file as rename(2) would, to a name that is free. Must never
 * replace anything, nor move what somebody has not saved yet.
 */
import { PfsError, PosixError } from "../../schema/errors.ts";
import { baseNameOf, type DirectoryPath, parentOf, ROOT, type TreePath } from "../../schema/paths.ts";
import { type Actor, isDirectory } from "../node.ts";
import { makePlace } from "./make-place.ts";
import { findDirectory, isEmpty, removeDirectory, settleVacancies } from "./remove.ts";
import { rename } from "./rename.ts";
import type { Tree } from "./tree.ts";

export interface PathRename {
  readonly path: TreePath;
  readonly to: TreePath;
}

export interface RenamedPath extends PathRename {
  readonly outcome: "renamed" | "refused";
  /** A whole sentence; null unless it was refused. */
  readonly reason: string | null;
}

const PLAIN = { noReplace: true, exchange: false };

/**
 * Renames files of the book, one after the other; what one of them is refused for keeps no other from its new name. A
 * directory that has become empty and has no place in the schema goes, too.
 */
export function renamePaths(tree: Tree, renames: readonly PathRename[], actor: Actor): RenamedPath[] {
  settleVacancies(tree, 0);
  return renames.map((each) => {
    try {
      renamePath(tree, each, actor);
      removeMisplaced(tree, parentOf(each.path), actor);
      return { ...each, outcome: "renamed", reason: null };
    } catch (error) {
      if (!(error instanceof PfsError || error instanceof PosixError)) throw error;
      return { ...each, outcome: "refused", reason: reasonOf(error, each) };
    }
  });
}

function renamePath(tree: Tree, { path, to }: PathRename, actor: Actor): void {
  const startedMs = performance.now();
  const parent = findDirectory(tree, parentOf(path));
  const node = parent === undefined ? undefined : tree.lookup(parent, baseNameOf(path));
  if (parent === undefined || node === undefined) throw new PosixError("ENOENT");
  if (isDirectory(node.mode)) throw new PosixError("EISDIR");
  const refuse = (code: "CONFLICT" | "SCHEMA_VIOLATION", message: string, hint: string): never =>
    tree.refuse(new PfsError(code, message, { path, hint }), { operation: "rename", path, startedMs }, actor);
  if (tree.openFiles.get(node.fileId)?.dirty === true) {
    const hint = "Save or close it in the program that has it open, then try again.";
    refuse("CONFLICT", `Somebody is writing ${path}, and has not saved it yet.`, hint);
  }
  // Before directories are made for it.
  const { profile } = tree.book;
  if (!profile.matchesFile(to)) {
    const message = `${to} would have no place in the book: ${profile.explain(to)}`;
    refuse("SCHEMA_VIOLATION", message, `The profile of this book is ${profile.name}.`);
  }
  rename(tree, { parent, name: baseNameOf(path) }, makePlace(tree, to, actor), PLAIN, actor);
}

/** Upwards from a directory that something was moved out of, as long as there is nothing in it and no place for it. */
function removeMisplaced(tree: Tree, directory: DirectoryPath, actor: Actor): void {
  for (let at = directory; at !== ROOT && !tree.book.profile.admitsDirectory(at); at = parentOf(at)) {
    const [fileId, parent] = [findDirectory(tree, at), findDirectory(tree, parentOf(at))];
    if (fileId === undefined || parent === undefined || !isEmpty(tree, fileId)) return;
    removeDirectory(tree, { parent, name: baseNameOf(at) }, actor);
  }
}

function reasonOf(error: PfsError | PosixError, { path, to }: PathRename): string {
  if (error instanceof PfsError) return error.message;
  if (error.code === "EEXIST") return `There is something at ${to}.`;
  if (error.code === "ENOENT") return `There is no ${path} any more.`;
  if (error.code === "EISDIR") return `${path} is a directory.`;
  if (error.code === "ENOTDIR") return `A file is in the way of ${to}.`;
  return `${error.code}: ${error.message}`;
}
