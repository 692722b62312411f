/**
 * Owns how much unsaved and undecided work one layer may have at once, so that no program takes memory, descriptors and disk from
 * all others. Must never refuse what only ends such work.
 */
import { PfsError } from "../../schema/errors.ts";
import { MAX_OPEN_CONFLICTS } from "./conflicts.ts";
import type { Tree } from "./tree.ts";

/** Each has up to 128 KiB in memory, or a descriptor. */
const MAX_DRAFTS = 4096;

/**
 * To be called before a draft begins.
 * @param path of the file, for what is told
 * @throws PfsError TOO_MANY
 */
export function requireDraft(tree: Tree, path: () => string): void {
  if (tree.conflicts.isFull) {
    throw new PfsError(
      "TOO_MANY",
      `${MAX_OPEN_CONFLICTS} conflicts wait for somebody to decide; until then nothing more is begun.`,
      { path: path(), hint: "`pfs conflicts` lists them, `pfs resolve` decides." },
    );
  }
  // They are counted only where there might be too many.
  if (tree.openFiles.size < MAX_DRAFTS) return;
  let drafts = 0;
  for (const { draft } of tree.openFiles.values()) if (draft !== undefined) drafts++;
  if (drafts < MAX_DRAFTS) return;
  throw new PfsError("TOO_MANY", `${MAX_DRAFTS} files are open with something unsaved, which is the most.`, {
    path: path(),
    hint: "Close some, or end the program that keeps them open.",
  });
}
