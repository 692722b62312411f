/**
 * Owns the names of the points between the steps of a write and of a sync, so that a test can stop or fail the process at
 * exactly one of them. Does nothing in ordinary life.
 */

/** Every point of a write, in the order in which a commit passes them. */
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

/** Every point of a pull, a push and publishing: of what is done at a remote, and of what is noted of it here. */
export const syncSteps = [
  "pull.read",
  "fetch.staged",
  "fetch.stored",
  "pull.followed",
  "upload.begun",
  "upload.noted",
  "upload.part-sent",
  "upload.completed",
  "push.put",
  "push.put-noted",
  "push.all-put",
  "append.locked",
  "append.written",
  "push.appended",
  "push.fenced",
  "push.shared",
  "share.all-put",
  "share.appended",
  "publish.claimed",
  "publish.removed",
  "publish.copied",
  "publish.settled",
  "publish.advanced",
] as const;

export type Step = (typeof steps)[number] | (typeof syncSteps)[number];

const hook = Symbol.for("pfs.step");
type Hook = (step: Step) => void;

/** Passes `step`: calls the hook that a test has put at `globalThis[Symbol.for("pfs.step")]`, if there is one. */
export function passStep(step: Step): void {
  const called = (globalThis as Record<symbol, unknown>)[hook] as Hook | undefined;
  if (called !== undefined) called(step);
}
