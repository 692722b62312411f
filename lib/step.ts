/**
 * Owns the names of the points between the steps of a write, so that a test can stop or fail the process at exactly
 * one of them. Does nothing in ordinary life.
 */

/** Every point, in the order in which a commit passes them. */
export const steps = [
  "draft.hashed",
  "object.synced",
  "object.noted",
  "object.linked",
  "transaction.begun",
  "blob.stored",
  "vacancy.written",
  "vacancy.settled",
  "journal.written",
  "conflict.written",
  "log.written",
  "transaction.committed",
  "object.settled",
  "object.removed",
  "scratch.created",
  "scratch.removed",
  "scratch.synced",
] as const;

export type Step = (typeof steps)[number];

const hook = Symbol.for("pfs.step");
type Hook = (step: Step) => void;

/** Passes `step`: calls the hook that a test has put at `globalThis[Symbol.for("pfs.step")]`, if there is one. */
export function passStep(step: Step): void {
  const called = (globalThis as Record<symbol, unknown>)[hook] as Hook | undefined;
  if (called !== undefined) called(step);
}
