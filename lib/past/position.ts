/**
 * Owns which position of the log a reference to a past state means for one book. Must never read more of the log than it
 * takes to find it.
 */
import type { Database } from "better-sqlite3";
import { PfsError } from "../../schema/errors.ts";
import type { BookId, Seq } from "../../schema/ids.ts";
import { parseReference, type Reference } from "../../schema/reference.ts";
import { positionsOfManifests } from "../manifest.ts";
import { MovedRows } from "../retention/moved-rows.ts";
import { refuseMoved } from "../retention/refuse-moved.ts";

interface Head {
  readonly seq: Seq;
  readonly timestamp: string;
}

/** One reading of a reference: the position, and how it is told. */
interface Candidate {
  readonly seq: Seq;
  readonly as: string;
}

/**
 * The position that a reference means: a state of the book that never changes any more. Position 0 is the empty book.
 * @param nowMs what ages are counted from: milliseconds since 1970
 * @throws PfsError NOT_FOUND: there is no such state; USAGE: it means several, or is no reference; UNAVAILABLE: its rows are in
 * segments only
 */
export function resolveReference(database: Database, bookId: BookId, text: string, nowMs = Date.now()): Seq {
  const reference = parseReference(text);
  const candidates = [
    ...byPosition(database, reference),
    ...byManifest(database, bookId, reference),
    ...byTime(database, bookId, reference, nowMs),
  ];
  const [first] = candidates;
  if (first === undefined) throw unknown(database, bookId, reference);
  if (candidates.some(({ seq }) => seq !== first.seq)) {
    throw new PfsError("USAGE", `${text} may be ${candidates.map(({ as }) => as).join(" or ")}.`, {
      hint: "Write more digits of the hash, or name the position.",
    });
  }
  refuseMoved(database, bookId, first.seq);
  return first.seq;
}

/** When a position was reached: the time of its row, ISO 8601; undefined at position 0. */
export function timeOf(database: Database, seq: Seq): string | undefined {
  return rowAt(database, seq)?.timestamp;
}

function byPosition(database: Database, { seq }: Reference): Candidate[] {
  if (seq === undefined || seq > (headOf(database)?.seq ?? 0)) return [];
  return [{ seq, as: `position ${seq} of the log` }];
}

function byManifest(database: Database, bookId: BookId, { hashPrefix }: Reference): Candidate[] {
  if (hashPrefix === undefined) return [];
  return positionsOfManifests(database, bookId, hashPrefix).map(({ manifestHash, seq }) => ({
    seq,
    as: `the manifest ${manifestHash.slice(0, hashPrefix.length + 4)}… (position ${seq})`,
  }));
}

function byTime(database: Database, bookId: BookId, { timeMs }: Reference, nowMs: number): Candidate[] {
  const ms = timeMs?.(nowMs);
  // What is to come is not decided yet.
  if (ms === undefined || ms > nowMs || ms < 0) return [];
  const time = new Date(ms).toISOString();
  const seq = lastRowUntil(database, time);
  return seq === undefined || !hasRows(database, bookId, seq)
    ? []
    : [{ seq, as: `${time} (position ${seq})` }];
}

/** The last row of that time or before. Times never run backwards in the log, so that halving finds it. */
export function lastRowUntil(database: Database, time: string): Seq | undefined {
  const at = database.prepare<unknown[], Head>(
    "SELECT seq, timestamp FROM audit_log WHERE seq >= ? ORDER BY seq LIMIT 1",
  );
  let found: Seq | undefined;
  for (let low = 0, high = (headOf(database)?.seq ?? 0) as number; low <= high; ) {
    const middle = Math.floor((low + high) / 2);
    const row = at.get(middle);
    if (row !== undefined && row.timestamp <= time) {
      found = row.seq;
      low = row.seq + 1;
    } else high = middle - 1;
  }
  // The last one may be in a segment only.
  const moved = MovedRows.of(database).lastUntil(time, found ?? (0 as Seq));
  return moved === 0 ? undefined : moved;
}

function rowAt(database: Database, seq: Seq): Head | undefined {
  return database
    .prepare<unknown[], Head>("SELECT seq, timestamp FROM audit_log WHERE seq <= ? ORDER BY seq DESC LIMIT 1")
    .get(seq);
}

function headOf(database: Database): Head | undefined {
  return rowAt(database, Number.MAX_SAFE_INTEGER as Seq);
}

function hasRows(database: Database, bookId: BookId, until: Seq): boolean {
  // Any of the book's rows will do: most are early enough.
  const found = database
    .prepare("SELECT 1 FROM audit_log INDEXED BY audit_log_path WHERE book_id = ? AND seq <= ? LIMIT 1")
    .get(bookId, until);
  return found !== undefined;
}

function firstOf(database: Database, bookId: BookId): Seq | undefined {
  const row = database
    .prepare<unknown[], { seq: Seq }>("SELECT seq FROM audit_log WHERE +book_id = ? ORDER BY seq LIMIT 1")
    .get(bookId);
  return row?.seq;
}

function unknown(database: Database, bookId: BookId, { text, hashPrefix }: Reference): PfsError {
  const first = firstOf(database, bookId);
  const head = headOf(database);
  const there =
    first === undefined || head === undefined
      ? "Nothing has happened in it yet."
      : `Its log goes from position ${first} (${timeOf(database, first)}) to ${head.seq} (${head.timestamp}).`;
  const hashes =
    hashPrefix === undefined ? "" : " A manifest hash is known here once `pfs manifest` has shown it.";
  return new PfsError("NOT_FOUND", `The book ${bookId} has no state ${text}.`, { hint: `${there}${hashes}` });
}
