/**
 * Owns checking the log as a whole: that no row was changed, removed or put in after it was written (R6), and that each has
 * an agent who answers for it (R7). Must never look at the journal.
 */
import { parseAgentName } from "../../schema/ids.ts";
import { canonicalJson, entryHash, GENESIS_HASH, type LogRow } from "../../schema/log-row.ts";
import { type Check, countRows } from "./check.ts";

const TAMPERED =
  "Compare it with a backup of the store: the log is only ever appended to, so both must agree there.";

const numberFields = ["seq", "execution_time_ms", "file_id", "uid", "pid", "size", "mode"] as const;
const textFields = [
  "timestamp",
  "agent_id",
  "operation",
  "book_id",
  "path",
  "user_id",
  "prev_hash",
  "new_hash",
  "status",
  "error_message",
  "prev_path",
  "command",
  "mtime",
  "entry_hash",
] as const;

export async function checkLogChain(check: Check): Promise<void> {
  check.begin("log", countRows(check.snapshot, "audit_log"));
  const rows = check.snapshot.database.prepare<[], LogRow>("SELECT * FROM audit_log ORDER BY seq");
  let previous: Pick<LogRow, "seq" | "entry_hash"> = { seq: 0, entry_hash: GENESIS_HASH };
  for (const row of rows.iterate()) {
    if (check.tick()) await check.breathe();
    if (row.seq !== previous.seq + 1) reportGap(check, previous.seq, row.seq);
    else if (!isChained(row, previous.entry_hash)) reportBroken(check, row);
    checkAgent(check, row);
    previous = row;
  }
}

function isChained(row: LogRow, previousHash: string): boolean {
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

function reportGap(check: Check, before: number, after: number): void {
  const first = before + 1;
  const last = after - 1;
  check.report({
    rule: "R6",
    severity: "error",
    subject: `row ${first}`,
    message:
      first === last
        ? `Row ${first} of the log is missing.`
        : `Rows ${first} to ${last} of the log are missing or out of order.`,
    hint: TAMPERED,
  });
}

function reportBroken(check: Check, row: LogRow): void {
  check.report({
    rule: "R6",
    severity: "error",
    subject: `row ${row.seq}`,
    message: `Row ${row.seq} of the log (${row.operation} of ${row.path} by ${row.agent_id}) does not match its hash: it, or the row before it, was changed after it was written.`,
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
