/** Owns a control directory whose names are questions. Must never list any: there are more than anybody wants to list. */
import { now } from "../../lib/time.ts";
import type { ControlDirectory, ControlName, ControlNode } from "./control-node.ts";

export class AskedDirectory implements ControlDirectory {
  readonly kind = "directory";
  readonly #madeAt = now();
  readonly find: ControlDirectory["find"];

  /** `find` answers as {@link ControlDirectory.find}. */
  constructor(find: (name: string) => ControlNode | undefined) {
    this.find = find;
  }

  mtime() {
    return this.#madeAt;
  }

  list(): ControlName[] {
    return [];
  }
}
