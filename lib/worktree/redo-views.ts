/**
 * Owns what becomes of what a user hid of the base here, or showed again, once what others did is done: it is done again upon
 * that, unless the version that it went with did not come to be. Must never hide what the user changed elsewhere since.
 */
import { BASE, type FileId, type UserId } from "../../schema/ids.ts";
import { baseSaidBy } from "../../schema/log-row.ts";
import type { Hiders } from "../hiders.ts";
import type { SharedPosition, SharedRows } from "../shared-rows.ts";
import type { PulledChange } from "./admit-shared.ts";
import type { LayerPlan } from "./layer-plan.ts";
import type { LayerPlans } from "./layer-plans.ts";
import type { LayerRebase, MetView } from "./layer-rebase.ts";
import { makerOf } from "./redo-changes.ts";

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
    plan.remove(path, wanted ? "hide" : "revert", cause, { fileId, base: baseSaidBy(last) });
  }
}

/**
 * Files of the base which went here, and with them what users said of them, and which are put back as others never heard of it:
 * who hid one hides it again. Not where that itself is taken back: {@link redoViews} sees to it.
 */
export function hideAgain(
  plans: LayerPlans,
  rebases: ReadonlyMap<UserId, LayerRebase>,
  hiders: Hiders,
): void {
  for (const { fileId, synced, mine } of rebases.get(BASE)?.met() ?? []) {
    if (mine !== undefined || synced === undefined) continue;
    for (const { userId, isLast } of hiders.of(fileId, synced.path)) {
      if (isLast === 1 && !isViewMet(rebases, userId, fileId)) plans.of(userId).hidden.set(fileId, true);
    }
  }
}

/**
 * Others have made a file of the base, which it may have had before: it shows to everybody but those who have hidden it after that,
 * in the order of the shared log. To be called in that order.
 */
export function showMade(
  plans: LayerPlans,
  fileId: FileId,
  { path, sharedSeq }: Pick<PulledChange, "path" | "sharedSeq">,
  hiders: Hiders,
): void {
  for (const { hidden } of plans.all()) if (hidden.has(fileId)) hidden.set(fileId, false);
  for (const hider of hiders.of(fileId, path))
    plans.of(hider.userId).hidden.set(fileId, (hider.sharedSeq ?? Number.POSITIVE_INFINITY) > sharedSeq);
}

/** What was made in the base here is made again, after all that others did: who has hidden it hides it again, after that. */
export function hideMadeAgain(
  plans: LayerPlans,
  rebases: ReadonlyMap<UserId, LayerRebase>,
  hiders: Hiders,
): void {
  const made = plans.rows.filter(({ tree, operation, sharedSeq, refused }) => {
    return tree.layer === BASE && operation === "create" && sharedSeq === undefined && refused === undefined;
  });
  for (const { path, fileId } of made) {
    if (fileId === null) continue;
    for (const hider of hiders.of(fileId, path)) {
      const plan = plans.of(hider.userId);
      const isMet =
        rebases
          .get(hider.userId)
          ?.metViews()
          .some((view) => view.fileId === fileId) === true;
      if (hider.isLast === 0 || isMet || plan.at(path) !== undefined) continue;
      plan.hidden.set(fileId, true);
      const cause = { maker: makerOf(hider), sharedSeq: undefined };
      plan.remove(path, "hide", cause, { fileId, base: baseSaidBy(hider) });
    }
  }
}

/** Whether what a user said of a file of the base here is taken back: {@link redoViews} sees to it. */
function isViewMet(rebases: ReadonlyMap<UserId, LayerRebase>, userId: UserId, fileId: FileId): boolean {
  return (
    rebases
      .get(userId)
      ?.metViews()
      .some((view) => view.fileId === fileId) === true
  );
}

/** What was hidden as it was moved shows where it is not moved; what others changed since it was removed stays. */
function isToHide(plan: LayerPlan, { fileId, last, hadVersion }: MetView, path: string): boolean {
  const own = plan.pathOf(fileId);
  return last.operation === "hide" && hadVersion === (own !== undefined) && own !== path;
}
