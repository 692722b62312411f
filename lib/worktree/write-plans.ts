/**
 * Owns writing what was planned: the rows of the log with the conflicts that they tell of, then the layers. Only within a
 * transaction. Must never decide anything.
 */
import { PfsError } from "../../schema/errors.ts";
import type { Actor } from "../node.ts";
import type { SharedRows } from "../shared-rows.ts";
import { mergeBlobs, resolvingHint } from "./keep-conflict.ts";
import type { PlannedRow } from "./layer-plan.ts";
import type { LayerPlans } from "./layer-plans.ts";
import { Placing } from "./place-files.ts";

/** `actor`: for whom directories are made; of no mount. */
export function writePlans(plans: LayerPlans, shared: SharedRows, actor: Actor, startedMs: number): void {
  for (const row of plans.rows) logRow(row, shared, actor, startedMs);
  const placings = plans.all().map((plan) => new Placing(plan, plans, actor, startedMs));
  for (const placing of placings) placing.lift();
  for (const placing of placings) placing.place();
  for (const placing of placings) placing.removeEmptied();
}

function logRow(row: PlannedRow, shared: SharedRows, actor: Actor, startedMs: number): void {
  const { tree, operation, path, prevPath, prevHash, fileId, base, maker, sharedSeq, refused } = row;
  const isDone = refused === undefined;
  const file = isDone ? row.file : undefined;
  const seq = tree.log.append(
    {
      ...{ operation, path, prevPath, prevHash, fileId, base, startedMs },
      ...{ bookId: tree.book.bookId, userId: tree.layer },
      newHash: isDone ? (file?.hash ?? null) : prevHash,
      status: isDone ? "ok" : "refused",
      errorMessage: isDone ? null : keepConflict(row, refused, actor),
      ...{ size: file?.size ?? null, mode: file?.mode ?? null, mtime: file?.mtime.toString() ?? null },
    },
    maker,
  );
  if (sharedSeq !== undefined) shared.note(seq, sharedSeq);
}

/** The message of what was not done; what was to be is kept as a conflict, if the row has one. */
function keepConflict({ tree, conflict, file }: PlannedRow, message: string, actor: Actor): string {
  if (conflict === undefined) return message;
  const { path, mine, theirs } = conflict;
  const time = new Date().toISOString();
  const id =
    tree.conflicts.like({ path, mine, theirs })?.id ??
    tree.conflicts.change((table) =>
      table.insert({ ...conflict, since: time, comparedAt: time }, mergeBlobs(tree, path, conflict, file)),
    );
  const text = `${message} (conflict ${id}).`;
  const error = new PfsError("CONFLICT", text.replace(/^CONFLICT: /, ""), { path, hint: resolvingHint(id) });
  const { uid, pid, command } = conflict;
  const maker = { ...actor, agent: conflict.agent as Actor["agent"], uid, pid, command: () => command };
  tree.store.afterCommit(() => tree.refusals.record(error, path, maker));
  return text;
}
