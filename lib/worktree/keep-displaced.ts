/**
 * Owns keeping what was written into a file whose path another one has taken since (W2): it becomes a conflict of that
 * path. Must never touch the file that has the path now.
 */
import { PfsError } from "../../schema/errors.ts";
import type { TreePath } from "../../schema/paths.ts";
import type { RefusedCommit } from "../book-tree.ts";
import { FileDraft } from "../content.ts";
import { currentVersion } from "./current-version.ts";
import { keepRefused, keepShowing, resolvingHint } from "./keep-conflict.ts";
import type { OpenFile } from "./open-file.ts";
import { storeCopy, storeDraft } from "./save.ts";
import type { Tree } from "./tree.ts";

/**
 * Throws `error`, the refusal to save such a file, or one that names the conflict.
 * @param error names the path
 * @throws Deferred, if `mayDefer`, where hashing takes long
 */
export function keepDisplaced(
  tree: Tree,
  file: OpenFile,
  error: PfsError,
  { operation, actor, mayDefer }: RefusedCommit,
): never {
  const startedMs = performance.now();
  const path = error.path as TreePath;
  const { draft } = file;
  if (file.refused !== undefined) throw file.refused;
  if (draft === undefined || !file.missing.isEmpty) tree.refuse(error, { operation, path, startedMs }, actor);
  if (mayDefer && draft instanceof FileDraft) draft.deferHashing();
  const mine = draft.hash();
  const current = currentVersion(tree, path);
  // Nothing would be lost.
  if (mine === file.hash || mine === current?.sha256)
    tree.refuse(error, { operation, path, startedMs }, actor);
  const { hashes, cause } = error;
  // Scratch, or what was scratch: others go on using its file.
  const isScratch = file.hash === null;
  const { mode, mtime } = file.attributes;
  const refusal = keepRefused(tree, {
    ...{
      path,
      fileId: file.fileId,
      base: file.hash,
      mine,
      size: file.size,
      mode,
      mtime,
      current,
      actor,
      startedMs,
    },
    store: () => (isScratch ? storeCopy(tree, mine, draft) : storeDraft(tree, mine, file)),
    explain: (id) =>
      new PfsError(
        "CONFLICT",
        `${path} has another file by now than the one that was written (conflict ${id}).`,
        {
          path,
          hint: resolvingHint(id),
          hashes,
          cause,
        },
      ),
  });
  if (!isScratch) {
    keepShowing(file);
    file.refused = refusal;
  }
  tree.refusals.record(refusal, path, actor);
  throw refusal;
}
