/**
 * Owns checking that the log extends heads that were signed earlier (R6): a log whose rows were all written anew, chain and
 * all, is found by that alone. Must never trust a hash before the chain up to it was checked.
 */
import { PfsError } from "../../schema/errors.ts";
import type { SignedHead } from "../../schema/signed-head.ts";
import { entryHashAt, lastHeadFile, readLastHead } from "../last-head.ts";
import type { Check } from "./check.ts";

/** A head that somebody kept, and the file it is from. */
export interface KeptHead {
  readonly head: SignedHead;
  readonly source: string;
}

export async function checkHeads(check: Check, kept: readonly KeptHead[]): Promise<void> {
  check.begin("heads", kept.length + 1);
  for (const each of kept) {
    checkHead(check, each, "Ask whoever kept the head: the log is only ever appended to, so it was changed.");
    check.tick();
  }
  checkOwn(check);
  check.tick();
  await check.breathe();
}

/** What the store itself remembers: rows that were cut off leave no other trace. */
function checkOwn(check: Check): void {
  const source = lastHeadFile(check.snapshot.directory);
  let head: SignedHead | undefined;
  try {
    head = readLastHead(check.snapshot.directory);
  } catch (error) {
    if (!(error instanceof PfsError)) throw error;
    check.report({
      rule: "R6",
      severity: "error",
      subject: source,
      message: error.message,
      hint: "Somebody changed the file by hand; verify with a head that was kept elsewhere, then remove the file.",
    });
    return;
  }
  if (head === undefined) return;
  // It is written after the rows are, so that a moment ago is no reason to doubt.
  const hint = `If the database was restored from a backup, remove ${source}; else rows were changed or removed.`;
  checkHead(check, { head, source }, hint);
}

function checkHead(check: Check, { head, source }: KeptHead, hint: string): void {
  const { seq, entry_hash, time } = head;
  const present = check.snapshot.head();
  let found: string | undefined;
  try {
    found = entryHashAt(check.snapshot.database, seq);
  } catch (error) {
    // Of the segment that its row is in it has been said that it is damaged.
    if (error instanceof PfsError && error.code === "CORRUPT") return;
    throw error;
  }
  if (found === entry_hash) return;
  const report = (subject: string, message: string): void =>
    check.report({ rule: "R6", severity: "error", subject, message, hint });
  if (seq > present.seq) {
    const first = present.seq + 1;
    const which =
      first === seq
        ? `Row ${seq} of the log is missing from its end: it was`
        : `Rows ${first} to ${seq} of the log are missing from its end: they were`;
    report(`row ${first}`, `${which} there at ${time}, says ${source}.`);
  } else {
    report(
      `row ${seq}`,
      `The log does not extend the head of ${time} in ${source}: row ${seq}, or one before it, is not what it was then.`,
    );
  }
}
