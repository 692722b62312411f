/**
 * Owns a pull: what others did to a book is read from its remote, page by page, and done here. Has no time of its own: it is
 * a step, to be taken again when it fails. Must never write but through the store's owner.
 */
import { setImmediate } from "node:timers/promises";
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";
import type { SharedRow } from "../../schema/shared-row.ts";
import { damaged } from "../remote/shared-chain.ts";
import { findRemote, type PulledHead } from "../shared-rows.ts";
import { passStep } from "../step.ts";
import type { FollowCounts, FollowOutcome } from "../worktree/follow-remote.ts";
import { fetchBlob } from "./fetch-blob.ts";
import { PULL_ROWS, type SyncParts } from "./sync-parts.ts";

/** A page goes on to the end of a transaction of a store, as a rename is two rows; but not beyond this many. */
const MAX_PAGE_ROWS = 50_000;
/** Nor beyond this much, of rows that somebody has made long: as many as may be have room for 700 characters of text each. */
const MAX_PAGE_CHARS = 64 * 2 ** 20;
/** Of a row, beside its texts: hashes, times, numbers. */
const ROW_CHARS = 600;

export const NOTHING: FollowCounts = { applied: 0, refused: 0, desyncs: 0, conflicts: 0 };

/** Adds to `total`. */
export function addCounts(
  total: { -readonly [Name in keyof FollowCounts]: number },
  counts: FollowCounts,
): void {
  for (const name of Object.keys(total) as (keyof FollowCounts)[]) total[name] += counts[name];
}

/**
 * Pulls until there is nothing more.
 * @throws PfsError USAGE: the book is not shared; UNAVAILABLE and others of the remote; FULL. What was pulled until then stays
 */
export async function pull(parts: SyncParts): Promise<FollowCounts> {
  const total = { ...NOTHING };
  for (;;) {
    parts.signal?.throwIfAborted();
    const rows = await readPage(parts, pulledHeadOf(parts));
    if (rows.length === 0) return total;
    passStep("pull.read");
    const counts = await follow(parts, rows);
    passStep("pull.followed");
    parts.onProgress?.({ type: "pulled", rows: rows.length });
    addCounts(total, counts);
    // A remote and an owner in this process wait for nothing: others have their turn here.
    await setImmediate();
  }
}

/** @throws PfsError USAGE */
export function pulledHeadOf({ reader, bookId }: SyncParts): PulledHead {
  const remote = findRemote(reader.database, bookId);
  if (remote === undefined) throw new PfsError("USAGE", `The book ${bookId} is not shared.`);
  return { seq: remote.pulledSeq, entryHash: remote.pulledHash };
}

async function readPage(
  { log, bookId, pageRows = PULL_ROWS }: SyncParts,
  { seq: after, entryHash }: PulledHead,
): Promise<SharedRow[]> {
  const rows: SharedRow[] = [];
  let chars = 0;
  for (;;) {
    const knownHash = rows.at(-1)?.entry_hash ?? entryHash;
    const more = await log.rowsAfter(bookId, after + rows.length, pageRows, knownHash);
    rows.push(...more);
    chars += charsOf(more);
    if (more.length < pageRows) return rows;
    const whole = wholeTransactions(rows);
    if (whole.length > 0) return whole;
    if (rows.length >= MAX_PAGE_ROWS || chars >= MAX_PAGE_CHARS) return rows;
  }
}

/** About how much it takes to hold them. */
function charsOf(rows: readonly SharedRow[]): number {
  let chars = 0;
  for (const { path, prev_path, command, error_message } of rows) {
    const texts = [path, prev_path, command, error_message];
    chars += texts.reduce((sum, text) => sum + (text?.length ?? 0), ROW_CHARS);
  }
  return chars;
}

/** Without the rows of the last transaction, of which there may be more. */
function wholeTransactions(rows: SharedRow[]): SharedRow[] {
  const last = rows.at(-1);
  let end = rows.length;
  while (end > 0 && rows[end - 1]?.origin === last?.origin && rows[end - 1]?.timestamp === last?.timestamp)
    end--;
  return rows.slice(0, end);
}

async function follow(parts: SyncParts, page: SharedRow[]): Promise<FollowCounts> {
  const { owner, bookId } = parts;
  const lost: BlobHash[] = [];
  let rows = page;
  for (;;) {
    const outcome: FollowOutcome = await owner.followRemote(bookId, { rows, lost });
    if (outcome.type === "applied") return outcome.counts;
    if (outcome.type === "needs") {
      for (const hash of outcome.hashes) if (!(await bring(parts, hash))) lost.push(hash);
    } else rows = [...rows, ...(await readUntil(parts, rows, outcome.until))];
  }
}

/** False where the remote has no such bytes. */
async function bring(parts: SyncParts, hash: BlobHash): Promise<boolean> {
  try {
    await parts.owner.storeBlobs([await fetchBlob(parts, hash)]);
    passStep("fetch.stored");
    return true;
  } catch (error) {
    if (error instanceof PfsError && (error.code === "NOT_FOUND" || error.code === "CORRUPT")) return false;
    throw error;
  }
}

async function readUntil(
  { log, bookId, pageRows = PULL_ROWS }: SyncParts,
  rows: readonly SharedRow[],
  until: number,
) {
  const more: SharedRow[] = [];
  let chars = 0;
  for (let last = rows.at(-1); (last?.seq ?? 0) < until; last = more.at(-1)) {
    const next = await log.rowsAfter(bookId, last?.seq ?? 0, pageRows, last?.entry_hash);
    if (next.length === 0)
      throw new PfsError(
        "STORE_DAMAGED",
        `The shared log of ${bookId} has lost rows that this store has seen there.`,
        {
          hint: "Look at whoever restored the remote from a backup.",
        },
      );
    more.push(...next);
    chars += charsOf(next);
    // A store has few rows there that it has not pulled: those of its last push, and what others had appended meanwhile.
    if (chars >= MAX_PAGE_CHARS)
      throw damaged(
        bookId,
        `between row ${rows.at(-1)?.seq} and ${until} is more than any store has appended`,
      );
  }
  return more;
}
