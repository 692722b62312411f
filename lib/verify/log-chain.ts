/**
 * Owns checking the log as a whole: that no row was changed, removed or put in after it was written (R6), be it in the table or
 * in a segment, and that each has an agent who answers for it (R7). Must never look at the journal.
 */
import { parseAgentName } from "../../schema/ids.ts";
import { canonicalJson, entryHash, GENESIS_HASH, type LogRow, logColumns } from "../../schema/log-row.ts";
import { type Check, countRows } from "./check.ts";
import { explainBroken } from "./tampering.ts";
import { WholeLog } from "./whole-log.ts";

const TAMPERED =
  "Compare it with a backup of the store: the log is only ever appended to, so both must agree there.";

/** Of a log that is damaged all over: finding out what was changed takes up to half a second for a row. */
const MAX_EXPLAINED = 3;

const numberFields = ["seq", "execution_time_ms", "file_id", "uid", "pid", "size", "mode"] as const;
const textFields = logColumns.filter((name) => !(numberFields as readonly string[]).includes(name));

export async function checkLogChain(check: Check): Promise<void> {
  check.begin("log", countRows(check.snapshot, "audit_log"));
  const log = new WholeLog(check.snapshot);
  const chain = new Chain(check, log);
  for (const row of log.rows()) {
    if (check.tick()) await check.breathe();
    chain.add(row);
  }
  chain.report();
  for (const { segment, message, hint } of log.unread)
    check.report({ rule: "R6", severity: "error", subject: `row ${segment.firstSeq}`, message, hint });
}

/** The rows one after the other. What is broken is told at the end, as asking about it takes other statements. */
class Chain {
  readonly #check: Check;
  readonly #log: WholeLog;
  readonly #broken: { readonly row: LogRow; readonly before: Place }[] = [];
  #previous: Place = { seq: 0, entry_hash: GENESIS_HASH, timestamp: "" };

  constructor(check: Check, log: WholeLog) {
    this.#check = check;
    this.#log = log;
  }

  add(row: LogRow): void {
    const before = this.#previous;
    const isNext = row.seq === before.seq + 1;
    // What a row behind such a gap builds on is in a segment that cannot be read, of which it is said.
    const isHidden = row.seq > before.seq + 1 && this.#log.hidesBetween(before.seq, row.seq);
    const isBroken = !isHidden && !(isNext && isChained(row, before.entry_hash));
    if (isBroken && this.#broken.length <= MAX_BROKEN) this.#broken.push({ row, before });
    checkAgent(this.#check, row);
    this.#previous = row;
  }

  report(): void {
    for (const [index, { row, before }] of this.#broken.entries()) {
      const first = index === 0 ? firstBroken(row.seq, before.seq) : "";
      if (row.seq !== before.seq + 1) reportGap(this.#check, before, row, first);
      else reportBroken(this.#check, row, index < MAX_EXPLAINED, first);
    }
  }
}

/** What is known of the row before. */
type Place = Pick<LogRow, "seq" | "entry_hash" | "timestamp">;

/** A log that is damaged all over must not fill the memory. */
const MAX_BROKEN = 1000;

function firstBroken(seq: number, before: number): string {
  if (before < 1 || seq <= before) return "";
  return before === 1 ? " Row 1 is as it was written." : ` Rows 1 to ${before} are as they were written.`;
}

/** Whether a row is what was written, and follows the one with that hash. */
export function isChained(row: LogRow, previousHash: string): boolean {
  // A blob or a number in the place of a text could have the same canonical form.
  const isTyped =
    numberFields.every((field) => row[field] === null || typeof row[field] === "number") &&
    textFields.every((field) => row[field] === null || typeof row[field] === "string");
  if (!isTyped) return false;
  try {
    return entryHash(previousHash, canonicalJson(row)) === row.entry_hash;
  } catch (error) {
    // Without a canonical form it cannot have been hashed.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function reportGap(check: Check, before: Place, after: LogRow, more: string): void {
  const first = before.seq + 1;
  const last = after.seq - 1;
  const subject = `row ${Math.min(after.seq, first)}`;
  const when =
    before.seq === 0 ? `before ${after.timestamp}` : `between ${before.timestamp} and ${after.timestamp}`;
  let message = `Rows ${first} to ${last} of the log, written ${when}, are missing.`;
  if (after.seq < first) message = `Row ${after.seq} of the log was put in: numbers begin with 1.`;
  else if (first === last) message = `Row ${first} of the log, written ${when}, is missing.`;
  check.report({ rule: "R6", severity: "error", subject, message: `${message}${more}`, hint: TAMPERED });
}

function reportBroken(check: Check, row: LogRow, isExplained: boolean, more: string): void {
  const what =
    (isExplained ? explainBroken(check.snapshot, row) : undefined) ??
    "it, or the row before it, was changed after it was written";
  check.report({
    rule: "R6",
    severity: "error",
    subject: `row ${row.seq}`,
    message: `Row ${row.seq} of the log (${row.operation} of ${row.path} by ${row.agent_id}) does not match its hash: ${what}.${more}`,
    hint: TAMPERED,
  });
}

function checkAgent(check: Check, row: LogRow): void {
  try {
    parseAgentName(String(row.agent_id));
  } catch (error) {
    check.report({
      rule: "R7",
      severity: "error",
      subject: `row ${row.seq}`,
      message: `Row ${row.seq} of the log has nobody who answers for it: ${(error as Error).message}`,
      hint: TAMPERED,
    });
  }
}
