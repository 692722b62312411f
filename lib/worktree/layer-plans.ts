/** Owns the plans of all layers that a pull touches, and the rows that the log is to have of them, in order. Must never write. */
import { BASE, type UserId } from "../../schema/ids.ts";
import { LayerPlan, type PlannedRow } from "./layer-plan.ts";
import type { Tree } from "./tree.ts";

export class LayerPlans {
  readonly rows: PlannedRow[] = [];
  readonly #plans = new Map<UserId, LayerPlan>();
  readonly #treeOf: (layer: UserId) => Tree;

  constructor(treeOf: (layer: UserId) => Tree) {
    this.#treeOf = treeOf;
    // The base comes first, whatever is placed.
    this.of(BASE);
  }

  of(layer: UserId): LayerPlan {
    let plan = this.#plans.get(layer);
    if (plan === undefined) {
      plan = new LayerPlan(this.#treeOf(layer), this.rows);
      this.#plans.set(layer, plan);
    }
    return plan;
  }

  all(): LayerPlan[] {
    return [...this.#plans.values()];
  }
}
