/** Owns a control directory whose names stay the same as long as the mount lives. Must never look into its nodes. */
import { now } from "../../lib/time.ts";
import type { ControlDirectory, ControlName, ControlNode } from "./control-node.ts";

export class FixedDirectory implements ControlDirectory {
  readonly kind = "directory";
  readonly #nodes: ReadonlyMap<string, ControlNode>;
  readonly #madeAt = now();

  /** Lists `nodes` in their order. */
  constructor(nodes: Iterable<readonly [name: string, node: ControlNode]>) {
    this.#nodes = new Map(nodes);
  }

  mtime() {
    return this.#madeAt;
  }

  find(name: string): ControlNode | undefined {
    return this.#nodes.get(name);
  }

  *list(after: number): Iterable<ControlName> {
    let cookie = 0;
    for (const [name, { kind }] of this.#nodes) if (++cookie > after) yield { name, kind, cookie };
  }
}
