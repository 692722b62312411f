/** Owns what a module of this folder says of itself: one name in `.pfs/`. Must never make anything. */
import type { ControlNode } from "./control-node.ts";
import type { ControlSource } from "./control-source.ts";

export interface ControlModule {
  /** Its name in `.pfs/`. */
  readonly name: string;
  /** A line or two for README: what it holds. */
  readonly description: string;
  /** Makes the node for one mount; undefined on mounts that have none. */
  make(source: ControlSource): ControlNode | undefined;
}
