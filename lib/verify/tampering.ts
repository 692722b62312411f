/**
 * Owns telling what was changed about rows of the log whose hashes do not fit: a value is only named when the hash proves
 * it. Must never decide whether a row is broken.
 */
import {
  canonicalJson,
  entryHash,
  GENESIS_HASH,
  type LogRow,
  logOperations,
  NO_BASE,
} from "../../schema/log-row.ts";
import type { StoreReader } from "../reader.ts";

/** Rows on each side of a broken one that its former values are looked for in. */
const NEAR_ROWS = 1000;
/** How far rows are looked for that were moved, and how many may have been removed or put in at one place. */
const SHIFT_ROWS = 1000;
/** Values of a field that are tried one after the other where there are no others to compare with. */
const MAX_GUESSES = 50_000;
const MAX_TIME_US = 20_000;

type Field = keyof LogRow;
type Values = Iterable<LogRow[Field]>;

/** Whether a row as it may have been is as it was. */
type Proof = (candidate: LogRow) => boolean;

/** A sentence without its end: what was done at the row, or to the row before it. Undefined when it cannot be told. */
export function explainBroken(reader: StoreReader, row: LogRow): string | undefined {
  const rows = new Rows(reader);
  const before = rows.hashBefore(row.seq);
  const next = rows.at(row.seq + 1);
  const isRow: Proof = (candidate) => hashOf(before, candidate) === row.entry_hash;
  return (
    describeField(row, findField(reader, row, isRow), "") ??
    onlyHash(row, next, before) ??
    swapped(rows, row, before) ??
    putIn(rows, row) ??
    removed(row, next) ??
    rewritten(reader, rows, row)
  );
}

class Rows {
  readonly #select;

  constructor({ database }: StoreReader) {
    this.#select = database.prepare<unknown[], LogRow>("SELECT * FROM audit_log WHERE seq = ?");
  }

  at(seq: number): LogRow | undefined {
    return this.#select.get(seq);
  }

  /** The hash that a row of this position builds on, as it is stored. */
  hashBefore(seq: number): string {
    return seq === 1 ? GENESIS_HASH : (this.at(seq - 1)?.entry_hash ?? "");
  }
}

/** Empty when the row has no canonical form. */
function hashOf(before: string, row: LogRow): string {
  try {
    return entryHash(before, canonicalJson(row));
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return "";
    throw error;
  }
}

interface Former {
  readonly field: Field;
  readonly value: LogRow[Field];
}

/** The one field, and the value it had, with which the proof holds. */
function findField(reader: StoreReader, row: LogRow, isProven: Proof): Former | undefined {
  for (const [field, values] of formerValues(reader, row)) {
    for (const value of values) {
      if (value !== row[field] && isProven({ ...row, [field]: value })) return { field, value };
    }
  }
  return undefined;
}

function describeField(row: LogRow, former: Former | undefined, more: string): string | undefined {
  if (former === undefined) return undefined;
  const { field, value } = former;
  return `its ${field} was ${say(value)} when it was written, and is ${say(row[field])} now${more}`;
}

/** What each field may have been, judged by rows nearby, rows of the same file, the journal and the blobs. */
function* formerValues(reader: StoreReader, row: LogRow): Generator<[Field, Values], void> {
  const { database } = reader;
  const near = database
    .prepare<unknown[], LogRow>("SELECT * FROM audit_log WHERE seq BETWEEN ? AND ? AND seq <> ?")
    .all(row.seq - NEAR_ROWS, row.seq + NEAR_ROWS, row.seq);
  const related = database
    .prepare<unknown[], LogRow>(
      `SELECT * FROM audit_log WHERE book_id = ? AND path = ? AND seq <> ? ORDER BY abs(seq - ?) LIMIT ${NEAR_ROWS}`,
    )
    .all(row.book_id, row.path, row.seq, row.seq);
  const journal = database
    .prepare<unknown[], Partial<LogRow> & { sha256: string }>(
      `SELECT book_id, path, user_id, sha256, size, mode, CAST(mtime AS TEXT) AS mtime, file_id FROM file_journal
       WHERE file_id = ? OR (book_id = ? AND path = ?)`,
    )
    .all(row.file_id, row.book_id, row.path);
  const of = (field: Field): Set<LogRow[Field]> =>
    new Set([null, ...[...journal, ...related, ...near].map((each) => each[field] ?? null)]);
  const hashes = new Set([
    ...of("prev_hash"),
    ...of("new_hash"),
    ...journal.map(({ sha256 }) => sha256),
    ...database
      .prepare<unknown[], string>(`SELECT sha256 FROM blob WHERE size IS ? LIMIT ${NEAR_ROWS}`)
      .pluck()
      .all(row.size),
  ]);
  const sizes = database.prepare<unknown[], number>("SELECT size FROM blob WHERE sha256 = ?").pluck();
  yield ["status", ["ok", "refused"]];
  yield ["operation", logOperations];
  yield ["mode", [null, 0o100644, 0o100755, 0o120000]];
  yield ["size", [...of("size"), ...sizes.all(row.new_hash)]];
  for (const field of ["agent_id", "book_id", "user_id", "command", "error_message", "mtime"] as const)
    yield [field, of(field)];
  for (const field of ["uid", "pid", "file_id"] as const) yield [field, of(field)];
  const paths = new Set([...of("path"), ...of("prev_path")]);
  yield ["path", paths];
  yield ["prev_path", paths];
  yield ["prev_hash", hashes];
  yield ["new_hash", hashes];
  yield ["base_hash", new Set([NO_BASE, ...of("base_hash"), ...hashes])];
  yield ["timestamp", timesBetween(near, row)];
  yield ["execution_time_ms", durations()];
}

/** Each millisecond between the rows on both sides, as far as they can be tried. */
function* timesBetween(near: readonly LogRow[], { seq }: LogRow): Generator<string, void> {
  const timeOf = (at: number): number =>
    Date.parse(String(near.find((each) => each.seq === at)?.timestamp ?? ""));
  const [after, until] = [timeOf(seq - 1), timeOf(seq + 1)];
  const first = Number.isNaN(after) ? until - MAX_GUESSES : after;
  const last = Number.isNaN(until) ? after + MAX_GUESSES : until;
  for (let ms = first; ms <= Math.min(last, first + MAX_GUESSES); ms++) yield new Date(ms).toISOString();
}

function* durations(): Generator<number, void> {
  for (let microseconds = 0; microseconds < MAX_TIME_US; microseconds++) yield microseconds / 1000;
}

function onlyHash(row: LogRow, next: LogRow | undefined, before: string): string | undefined {
  const hash = hashOf(before, row);
  return next !== undefined && hash !== "" && hashOf(hash, next) === next.entry_hash
    ? "only its hash was changed, what it says is as it was written"
    : undefined;
}

/** The row that was here is further on. */
function swapped(rows: Rows, row: LogRow, before: string): string | undefined {
  for (let seq = row.seq + 1; seq <= row.seq + SHIFT_ROWS; seq++) {
    const other = rows.at(seq);
    if (other === undefined) return undefined;
    if (hashOf(before, { ...other, seq: row.seq }) !== other.entry_hash) continue;
    const follows = seq === row.seq + 1 ? other.entry_hash : rows.hashBefore(seq);
    if (hashOf(follows, { ...row, seq }) === row.entry_hash) return `it and row ${seq} were swapped`;
    const count = seq - row.seq;
    return count === 1
      ? "it was put in, and the rows after it were numbered anew"
      : `it and ${count - 1} after it were put in, and the rows after them were numbered anew`;
  }
  return undefined;
}

/**
 * A row that was put in with a hash that fits: the one after it still builds on the one before it. So does the other row of
 * two that were swapped.
 */
function putIn(rows: Rows, row: LogRow): string | undefined {
  for (let count = 1; count <= SHIFT_ROWS && row.seq - count >= 1; count++) {
    const first = row.seq - count;
    if (hashOf(rows.hashBefore(first), { ...row, seq: first }) !== row.entry_hash) continue;
    const other = rows.at(first);
    const follows = count === 1 ? row.entry_hash : rows.hashBefore(row.seq);
    if (other !== undefined && hashOf(follows, { ...other, seq: row.seq }) === other.entry_hash)
      return `it and row ${first} were swapped`;
    const which = count === 1 ? `row ${first} was` : `rows ${first} to ${row.seq - 1} were`;
    return `${which} put in before it, and the rows after were numbered anew`;
  }
  return undefined;
}

/** Rows before this one are gone, and those after them have other numbers. */
function removed(row: LogRow, next: LogRow | undefined): string | undefined {
  if (next === undefined) return undefined;
  for (let count = 1; count <= SHIFT_ROWS; count++) {
    if (hashOf(row.entry_hash, { ...next, seq: next.seq + count }) !== next.entry_hash) continue;
    const which = count === 1 ? "a row was" : `${count} rows were`;
    return `${which} removed before it, and the rows after were numbered anew`;
  }
  return undefined;
}

/** The row before was changed and given a hash that fits; this one still builds on the one it had. */
function rewritten(reader: StoreReader, rows: Rows, row: LogRow): string | undefined {
  const before = rows.at(row.seq - 1);
  if (before === undefined) return undefined;
  const start = rows.hashBefore(before.seq);
  const former = findField(
    reader,
    before,
    (candidate) => hashOf(hashOf(start, candidate), row) === row.entry_hash,
  );
  const what = describeField(before, former, ", and its hash was made anew");
  return what === undefined ? undefined : `of row ${before.seq} ${what.replace(/^its/, "the")}`;
}

function say(value: unknown): string {
  return value === null ? "absent" : String(value);
}
