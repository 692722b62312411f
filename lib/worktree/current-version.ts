/** Owns what a path has now in a layer, for whoever compares with it. Must never change anything. */
import { baseNameOf, parentOf, type TreePath } from "../../schema/paths.ts";
import type { JournalRow } from "../journal.ts";
import type { Place } from "./create.ts";
import { findDirectory } from "./remove.ts";
import type { Tree } from "./tree.ts";

/** What the path has in this layer, be it its own or the base's; of a path that was vacated a moment ago what it had. */
export function currentVersion(tree: Tree, path: TreePath): JournalRow | undefined {
  const parent = findDirectory(tree, parentOf(path));
  return parent === undefined ? tree.journal.get(path) : tree.version({ parent, name: baseNameOf(path) });
}

/**
 * In an overlay: whether what the base has at a place can show there. Not where something of the overlay's own is in the way
 * that has no version (a directory, a fifo), be it at the name or above it.
 */
export function showsBase(tree: Tree, { parent, name }: Place): boolean {
  if (tree.entries.find(parent, name) !== undefined) return false;
  const directory = tree.paths.find(parent)?.path;
  return directory !== undefined && findDirectory(tree, directory) === parent;
}
