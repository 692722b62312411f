/**
 * Owns deletion by path, for callers that are no mount: idempotent (R3) and in the log at once.
 */
import { PosixError } from "../../schema/errors.ts";
import { baseNameOf, parentOf, type TreePath } from "../../schema/paths.ts";
import { type Actor, isDirectory } from "../node.ts";
import { now } from "../time.ts";
import { refuseStructure } from "./overlay.ts";
import { findDirectory, makeOrphan, settle, vacate } from "./remove.ts";
import type { Tree } from "./tree.ts";

export type Deletion = "deleted" | "absent";

/**
 * Deletes the book's file at `path`; where there is none nothing changes.
 * @throws PosixError EISDIR; PfsError NOT_PERMITTED: in an overlay that hides nothing, the base's file
 */
export function deletePath(tree: Tree, path: TreePath, actor: Actor): Deletion {
  const startedMs = performance.now();
  const parent = findDirectory(tree, parentOf(path));
  const name = baseNameOf(path);
  const node = parent === undefined ? undefined : tree.lookup(parent, name);
  if (parent === undefined || node === undefined) return "absent";
  if (isDirectory(node.mode)) throw new PosixError("EISDIR", `${path} is a directory.`, { path });
  if (!node.tracked) return "absent";
  const newborn = tree.newborn(parent, name);
  if (tree.journal.get(path) === undefined) refuseStructure(tree, { parent, name }, "delete", actor);
  tree.store.transaction(() => {
    if (newborn === undefined) {
      vacate(tree, { parent, name }, node, actor, now());
    } else {
      // It took over a path that waits already.
      tree.removeNewborn(newborn);
      tree.store.afterRollback(() => tree.addNewborn(newborn));
      tree.touchDirectory(parent, now(), actor);
    }
    settle(tree, path, startedMs);
    // It may be a part of something larger that is undone as a whole.
    tree.store.afterCommit(() => makeOrphan(tree, node, actor));
    tree.notify({ type: "entry", parent, name }, actor);
  });
  return "deleted";
}
