/**
 * Owns deletion by path, for callers that are no mount: idempotent (R3) and in the log at once.
 */
import { PosixError } from "../../schema/errors.ts";
import { baseNameOf, parentOf, type TreePath } from "../../schema/paths.ts";
import { type Actor, isDirectory } from "../node.ts";
import { findDirectory, settle, unlink } from "./remove.ts";
import type { Tree } from "./tree.ts";

export type Deletion = "deleted" | "absent";

/**
 * Deletes the book's file at `path`; where there is none nothing changes.
 * @throws PosixError EISDIR
 */
export function deletePath(tree: Tree, path: TreePath, actor: Actor): Deletion {
  const startedMs = performance.now();
  const parent = findDirectory(tree, parentOf(path));
  const node = parent === undefined ? undefined : tree.lookup(parent, baseNameOf(path));
  if (parent === undefined || node === undefined) return "absent";
  if (isDirectory(node.mode)) throw new PosixError("EISDIR", `${path} is a directory.`, { path });
  if (!node.tracked) return "absent";
  tree.store.transaction(() => {
    unlink(tree, { parent, name: baseNameOf(path) }, actor);
    settle(tree, path, startedMs);
  });
  return "deleted";
}
