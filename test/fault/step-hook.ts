// Sets what happens at the steps of a write. Must be taken away again.

import type { Step } from "../../lib/step.ts";

const hook = Symbol.for("pfs.step");

/** Runs `body` with `onStep` called at each step that it passes, with its number from 0. */
export function withSteps<Result>(onStep: (step: Step, index: number) => void, body: () => Result): Result {
  const slots = globalThis as Record<symbol, unknown>;
  let index = 0;
  slots[hook] = (step: Step) => onStep(step, index++);
  try {
    return body();
  } finally {
    delete slots[hook];
  }
}

/** The steps that `body` passes. */
export function stepsOf(body: () => void): Step[] {
  const passed: Step[] = [];
  withSteps((step) => passed.push(step), body);
  return passed;
}
