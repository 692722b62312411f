/** Owns reading the versions in a conflict's folder. Must never change anything. */
import { PfsError } from "../../schema/errors.ts";
import type { Conflict } from "../conflict-table.ts";
import { type Content, InlineContent } from "../content.ts";
import type { ConflictFile } from "./conflicts.ts";
import type { Tree } from "./tree.ts";

export type ConflictVersion = Exclude<ConflictFile, "info.json">;

/** @throws see Worktree.openConflict */
export function openConflict(
  tree: Tree,
  conflict: Conflict,
  version: ConflictVersion,
  mayDefer: boolean,
): Content {
  const { id, path } = conflict;
  const hash = conflict[version];
  const merged = version === "merged" ? tree.conflicts.mergedOf(id) : undefined;
  if (merged !== undefined) return new InlineContent(merged);
  if (hash === null || version === "merged")
    throw new PfsError("NOT_FOUND", `Conflict ${id} has no version ${version}.`, { path });
  return tree.openBlob(hash, `${path} (conflict ${id})`, mayDefer);
}

/** Bytes. */
export function sizeInConflict(tree: Tree, conflict: Conflict, version: ConflictVersion): number {
  if (version === "mine") return conflict.size;
  if (version === "merged") return conflict.mergedSize ?? 0;
  const hash = conflict[version];
  tree.store.read();
  return hash === null ? 0 : (tree.blobs.sizeOf(hash) ?? 0);
}
