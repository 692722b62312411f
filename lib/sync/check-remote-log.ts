/**
 * Owns checking a book's shared log: its chain, over all rows and path by path (R6), that it has what this store knows of it
 * (O1), that the shared journal is its last state. Must never change anything.
 */
import { PfsError } from "../../schema/errors.ts";
import { BASE } from "../../schema/ids.ts";
import { FIRST_STRICT_SEQ, type SharedRow } from "../../schema/shared-row.ts";
import { EMPTY_HEAD, verifyPage } from "../remote/shared-chain.ts";
import { SharedRows } from "../shared-rows.ts";
import { CHECK_ROWS, type RemoteCheck } from "./remote-check.ts";

const RESTORE =
  "Restore the remote from a backup, or share the book on another one; nothing else can mend a log.";

/** Plays the log back into the check's history, up to the position of the shared journal that is there. */
export async function checkRemoteLog(each: RemoteCheck): Promise<void> {
  const { parts, check, headSeq, pulledSeq } = each;
  check.begin("shared log", headSeq);
  try {
    await playBack(each);
  } catch (error) {
    if (!(error instanceof PfsError && error.code === "STORE_DAMAGED")) throw error;
    report(each, "R6", parts.bookId, error.message);
    return;
  }
  if (pulledSeq > headSeq) {
    const lost = `The shared log of ${parts.bookId} has ${headSeq} rows, and had ${pulledSeq} when this store last looked.`;
    report(each, "R6", parts.bookId, lost);
    return;
  }
  for (const { userId, path } of each.history.differences()) {
    const layer = userId === BASE ? "" : ` of ${userId}`;
    report(
      each,
      "R6",
      path,
      `The shared journal and the shared log say different things of ${path}${layer}.`,
    );
  }
}

async function playBack(each: RemoteCheck): Promise<void> {
  const { parts, check, headSeq } = each;
  const { log, bookId, pageRows = CHECK_ROWS, signal } = parts;
  const own = new SharedRows(parts.reader.database, bookId);
  let head = EMPTY_HEAD;
  while (head.seq < headSeq) {
    signal?.throwIfAborted();
    const rows = await log.rowsAfter(bookId, head.seq, Math.min(pageRows, headSeq - head.seq));
    if (rows.length === 0)
      throw new PfsError(
        "STORE_DAMAGED",
        `The shared log of ${bookId} ends at row ${head.seq}, and should at ${headSeq}.`,
      );
    head = verifyPage(head, rows);
    for (const row of rows) {
      check.tick();
      checkRow(each, own, row);
    }
    await check.breathe();
    await parts.pace?.spend({ rows: rows.length, requests: 1 });
  }
}

function checkRow(each: RemoteCheck, own: SharedRows, row: SharedRow): void {
  const { path, seq, origin, origin_seq } = row;
  if (seq === each.pulledSeq && each.pulledHash !== null && row.entry_hash !== each.pulledHash)
    report(
      each,
      "R6",
      each.parts.bookId,
      `The shared log of ${each.parts.bookId} was rewritten: row ${seq}, or one before it, is another one than this store has pulled.`,
    );
  if (!each.history.add(row))
    report(each, "R6", path, `Row ${seq} of the shared log does not begin with what ${path} had.`);
  if (origin !== each.parts.storeId) return;
  // One that was shared first may never have come to be a row here: then it was pulled, as another store's.
  if (origin_seq >= FIRST_STRICT_SEQ) return;
  const mine = own.ownRow(origin_seq);
  const isSame =
    mine !== undefined &&
    (["path", "user_id", "agent_id", "operation", "timestamp", "file_id"] as const).every(
      (field) => mine[field] === row[field],
    ) &&
    // What was taken back here is refused there; nothing that was refused here was done there.
    (row.status === "refused" || (mine.status === "ok" && mine.new_hash === row.new_hash));
  if (!isSame)
    report(
      each,
      "R6",
      path,
      `Row ${seq} of the shared log is said to be row ${origin_seq} of this store, which is another one.`,
    );
}

function report({ check, damage }: RemoteCheck, rule: "R6", subject: string, message: string): void {
  damage.isLogSound = false;
  check.report({ rule, severity: "error", subject, message, hint: RESTORE });
}
