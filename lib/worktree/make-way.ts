/**
 * Owns what is being made in a layer while a pull comes: nothing knows of it yet, and it would be where a directory is to come, or
 * have the identity of what goes elsewhere. It is saved first, and met as any change. Must never lose what was written (W2).
 */
import { PfsError, PosixError } from "../../schema/errors.ts";
import { isBelow, type TreePath } from "../../schema/paths.ts";
import type { Actor } from "../node.ts";
import type { LayerPlan } from "./layer-plan.ts";
import type { LayerPlans } from "./layer-plans.ts";
import type { OpenFile } from "./open-file.ts";
import type { Tree } from "./tree.ts";

interface Newborn {
  readonly tree: Tree;
  readonly file: OpenFile;
}

/** Undoes the transaction: {@link makeWay} for these, and then once more. */
export class InTheWay {
  readonly newborns: readonly Newborn[];

  constructor(newborns: readonly Newborn[]) {
    this.newborns = newborns;
  }
}

/** @throws InTheWay */
export function refuseNewborns(plans: LayerPlans): void {
  const met = plans.all().flatMap((plan) => {
    const newborns = [...plan.tree.newborns.values()].flatMap((names) => [...names.values()]);
    return newborns.filter((file) => isMet(plan, file)).map((file) => ({ tree: plan.tree, file }));
  });
  if (met.length > 0) throw new InTheWay(met);
}

function isMet(plan: LayerPlan, file: OpenFile): boolean {
  const path = file.path() as TreePath;
  // It may have taken over the identity of what was there before.
  if (plan.places(file.fileId) && plan.pathOf(file.fileId) !== path) return true;
  const coming = plan.changed().filter((each) => plan.at(each) !== undefined);
  return coming.some((each) => isBelow(path, each) || isBelow(each, path));
}

/** Saves what is being made, which is no newborn any more then. Not within a transaction. */
export function makeWay({ tree, file }: Newborn): void {
  try {
    file.commit(file.lastWriter as Actor, { durable: false });
  } catch (error) {
    if (!(error instanceof PfsError || error instanceof PosixError)) throw error;
    // It cannot be saved, and never will be here: another file or directory is about to have its name.
    file.refused ??=
      error instanceof PfsError ? error : new PfsError("CONFLICT", `${file.path()} could not be saved.`);
    tree.removeNewborn(file);
  }
}
