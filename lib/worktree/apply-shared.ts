/**
 * Owns doing one row of the shared log on a plan: what another store did to a path is done to it here. Must never keep a row
 * from being done because this store had expected another state, nor let it take what is another file's (I1).
 */
import { PfsError } from "../../schema/errors.ts";
import { BASE, type FileId, newFileId } from "../../schema/ids.ts";
import type { TreePath } from "../../schema/paths.ts";
import type { PulledChange } from "./admit-shared.ts";
import type { LayerPlan } from "./layer-plan.ts";
import type { LayerPlans } from "./layer-plans.ts";

/** Whether the base has made a file after a position of the shared log: then it shows to everybody. */
type IsMadeAfter = (fileId: FileId, path: TreePath, sharedSeq: number) => boolean;

/**
 * Does it. Answers `desync` where the row began with another version than there is, or its file id is another file's; an error where
 * it cannot be done at all.
 */
export function applyShared(
  plans: LayerPlans,
  change: PulledChange,
  isMadeAfter: IsMadeAfter,
): "done" | "desync" | PfsError {
  const { layer, path, operation, file, maker, sharedSeq, prevPath, prevHash } = change;
  const plan = plans.of(layer);
  const cause = { maker, sharedSeq };
  const present = plan.at(path);
  const outcome = (present?.hash ?? null) === prevHash ? "done" : "desync";
  const changesView = operation === "hide" || operation === "revert";
  const shownId = change.fileId ?? plans.of(BASE).at(path)?.fileId;
  if (changesView && shownId !== undefined) {
    const shownAt = plans.of(BASE).pathOf(shownId);
    if (shownAt === undefined || !isMadeAfter(shownId, shownAt, sharedSeq))
      plan.hidden.set(shownId, operation === "hide");
  }
  if (file === undefined) {
    const isNothing = present === undefined && plan.logged(path) === undefined;
    if (!isNothing || changesView) plan.remove(path, operation, cause, change);
    return outcome;
  }
  if (plan.isObstructed(path)) {
    // The shared log never has a file above another: whoever wrote this is no store of pfs.
    return new PfsError("EXISTS", `A file is in the way of ${path}, which others have made.`, { path });
  }
  const isFree = present?.fileId === file.fileId || isFreeId(plan, file.fileId);
  const fileId = isFree ? file.fileId : (present?.fileId ?? newFileId());
  const isMoved = operation === "rename" && prevPath !== path;
  // A row of before that was kept does not say what its version began with: that is known only where that is here.
  const known = operation === "create" ? undefined : plan.tree.journal.find(fileId)?.base;
  const base = change.base === undefined ? (known ?? null) : change.base;
  plan.put(path, { ...file, fileId, base }, cause, { prevPath: isMoved ? prevPath : undefined });
  return isFree ? outcome : "desync";
}

/** A file keeps its identity, unless something else has that here: then somebody means harm. */
function isFreeId(plan: LayerPlan, wanted: FileId): boolean {
  const { tree } = plan;
  const row = tree.journal.find(wanted);
  const isOfOtherBook = row !== undefined && tree.journal.get(row.path)?.fileId !== wanted;
  const isLocal = [tree, tree.base].some((each) => each?.entries.findById(wanted) !== undefined);
  return plan.pathOf(wanted) === undefined && wanted !== tree.book.rootId && !isOfOtherBook && !isLocal;
}
