// What a user does who may hide files of the base, on a machine.

import type { BookFixture } from "../lib/book-fixture.ts";
import type { Machine } from "./machine.ts";

/** The machine's actor as a mount with `delete=hide` has it. */
export const hiding = ({ actor }: Machine) => ({ ...actor, hidesBase: true });

/** Removes what a layer shows at a path, and the base's beneath it. */
export function hide(layer: BookFixture, machine: Machine, path: string): void {
  layer.unlink(path, hiding(machine));
  layer.settle();
}
