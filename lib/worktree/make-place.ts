/** Owns finding a path's place in the base for callers that are no mount. Makes the directories that lead to it. */
import { PosixError } from "../../schema/errors.ts";
import { baseNameOf, segmentsOf, type TreePath } from "../../schema/paths.ts";
import { type Actor, isDirectory } from "../node.ts";
import { makeDirectory, type Place } from "./create.ts";
import type { Tree } from "./tree.ts";

/** @throws PosixError ENOTDIR: a file is in the way; as {@link makeDirectory} */
export function makePlace(tree: Tree, path: TreePath, actor: Actor): Place {
  let parent = tree.book.rootId;
  for (const name of segmentsOf(path).slice(0, -1)) {
    const node = tree.lookup(parent, name) ?? makeDirectory(tree, { parent, name }, 0o755, actor);
    if (!isDirectory(node.mode)) throw new PosixError("ENOTDIR");
    parent = node.fileId;
  }
  return { parent, name: baseNameOf(path) };
}
