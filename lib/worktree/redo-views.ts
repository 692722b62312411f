/**
 * Owns what becomes of what a user hid of the base here, or showed again, once what others did is done: it is done again upon
 * that, unless the version that it went with did not come to be. Must never hide what the user changed elsewhere since.
 */
import { BASE, type UserId } from "../../schema/ids.ts";
import type { SharedPosition, SharedRows } from "../shared-rows.ts";
import type { PulledChange } from "./admit-shared.ts";
import type { LayerPlan } from "./layer-plan.ts";
import type { LayerPlans } from "./layer-plans.ts";
import type { LayerRebase, MetView } from "./layer-rebase.ts";
import { hiddenBy, makerOf } from "./redo-changes.ts";

/** Of one layer, after its files. */
export function redoViews(
  plan: LayerPlan,
  plans: LayerPlans,
  views: readonly MetView[],
  shared: SharedRows,
  { pulledSeq }: SharedPosition,
): void {
  for (const view of views) {
    const { fileId, first, last } = view;
    const path = plans.of(BASE).pathOf(fileId);
    if (path === undefined) continue;
    const isHidden =
      plan.hidden.get(fileId) ??
      shared.wasHidden(fileId, plan.tree.layer, pulledSeq) ??
      first.operation === "revert";
    // Something of the user's own has its name: whether the base's shows beneath is nothing that anybody sees.
    const wanted = plan.at(path) === undefined ? isToHide(plan, view, path) : isHidden;
    plan.hidden.set(fileId, wanted);
    if (wanted === isHidden) continue;
    const cause = { maker: makerOf(last), sharedSeq: undefined };
    plan.remove(path, wanted ? "hide" : "revert", cause, { fileId, base: hiddenBy(last) });
  }
}

/**
 * Files of the base which went here, and with them what users said of them, and which are put back as others never heard of it:
 * who hid one hides it again. Not where that itself is taken back: {@link redoViews} sees to it.
 */
export function hideAgain(
  plans: LayerPlans,
  rebases: ReadonlyMap<UserId, LayerRebase>,
  shared: SharedRows,
  { pulledSeq }: SharedPosition,
): void {
  for (const { fileId, synced, mine } of rebases.get(BASE)?.met() ?? []) {
    if (mine !== undefined || synced === undefined) continue;
    for (const { userId, isLast } of shared.hiders(fileId, synced.path, pulledSeq)) {
      const views = rebases.get(userId)?.metViews() ?? [];
      if (isLast === 1 && !views.some((view) => view.fileId === fileId))
        plans.of(userId).hidden.set(fileId, true);
    }
  }
}

/**
 * Files of the base that others have removed and made again: who has hidden one here, which comes after that in the shared log,
 * hides it again. To be called once all that others did is done.
 */
export function hideRestored(
  plans: LayerPlans,
  changes: readonly PulledChange[],
  shared: SharedRows,
  { pulledSeq }: SharedPosition,
): void {
  for (const { layer, operation, path, fileId } of changes) {
    if (layer !== BASE || operation !== "create" || fileId === undefined) continue;
    for (const { userId, isAhead } of shared.hiders(fileId, path, pulledSeq)) {
      const { hidden } = plans.of(userId);
      if (isAhead === 1 && !hidden.has(fileId)) hidden.set(fileId, true);
    }
  }
}

/** What was hidden as it was moved shows where it is not moved; what others changed since it was removed stays. */
function isToHide(plan: LayerPlan, { fileId, last, hadVersion }: MetView, path: string): boolean {
  const own = plan.pathOf(fileId);
  return last.operation === "hide" && hadVersion === (own !== undefined) && own !== path;
}
