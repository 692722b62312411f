/** Owns the plans of all layers that a pull touches, and the rows that the log is to have of them, in order. Must never write. */
import { BASE, type FileId, type UserId } from "../../schema/ids.ts";
import type { TreePath } from "../../schema/paths.ts";
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

  /** Overlays that are to have another file than this one of the base at a path, above it or below it. */
  occupiersOf(path: TreePath, fileId: FileId): UserId[] {
    return this.#overlaysWhere((plan) => {
      const file = plan.at(path);
      return file === undefined ? plan.isObstructed(path) : file.fileId !== fileId;
    });
  }

  /** Overlays of which it is planned where they have their version of a file of the base. */
  placersOf(fileId: FileId): UserId[] {
    return this.#overlaysWhere((plan) => plan.places(fileId));
  }

  #overlaysWhere(holds: (plan: LayerPlan) => boolean): UserId[] {
    const found = this.all().filter((plan) => plan.tree.layer !== BASE && holds(plan));
    return found.map((plan) => plan.tree.layer);
  }
}
