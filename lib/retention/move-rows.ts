/**
 * Owns changing a store when rows of its log move into segments and back, a step at a time, so that nobody who saves waits
 * long. Each step may be done again, and the process may end after any. Must never take a row away that the table's trigger
 * would not let go (0011-log-segments.sql).
 */
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import { logColumns } from "../../schema/log-row.ts";
import type { Store } from "../store.ts";
import { movableUntil } from "./movable.ts";
import { MovedRows } from "./moved-rows.ts";
import { openSegment, type SealedSegment, type Segment } from "./segment.ts";

/** What the store's owner is asked for. Plain data: it may be sent to the thread that owns the store. */
export type RetentionStep =
  /** The remote has the segment. */
  | ({ readonly type: "record" } & SealedSegment)
  /** Rows up to the end of a segment that is recorded may be in it only again: they were brought back, and the remote has it. */
  | { readonly type: "advance"; readonly bookId: BookId; readonly seq: number }
  /** Takes the next rows out of the table, after a position. */
  | { readonly type: "remove"; readonly bookId: BookId; readonly afterSeq: number }
  /** Bytes that are missing here or damaged. */
  | ({ readonly type: "restore" } & SealedSegment)
  /** Puts the rows of a segment into the table again. */
  | { readonly type: "recall"; readonly bookId: BookId; readonly number: number }
  /** All of them are there; they stay until then (ISO 8601 UTC). */
  | { readonly type: "end-recall"; readonly bookId: BookId; readonly keptUntil: string };

export interface RetentionOutcome {
  /** Taken out of the table, or put into it. */
  readonly rows: number;
  /** Of `remove`: where to go on after; undefined: that was all. */
  readonly upTo?: number | undefined;
}

/** Rows that are looked at in one transaction, of whatever book, and of these those that go: some milliseconds. */
const LOOKED_AT = 2000;
const TAKEN = 50;

/** Those of which the trigger says that they may go; `h` is the horizon. */
const MAY_GO = `(a.status = 'refused' OR (a.operation IN ('update', 'attributes') AND EXISTS (SELECT 1 FROM audit_log l
  WHERE l.book_id = a.book_id AND l.path = a.path AND l.user_id = a.user_id AND l.seq > a.seq AND l.seq <= +:horizon
  AND l.status = 'ok' AND l.operation IN ('update', 'attributes') AND l.file_id = a.file_id AND l.new_hash IS NOT NULL
  AND l.size IS NOT NULL AND l.mode IS NOT NULL AND l.mtime IS NOT NULL)))`;

/** @throws PfsError NOT_PERMITTED: rows of it may not be moved any more; CORRUPT: they are not in the segment; SqliteError of a trigger */
export function retain(store: Store, step: RetentionStep): RetentionOutcome {
  return store.transaction(() => {
    switch (step.type) {
      case "record":
        return record(store, step);
      case "advance":
        refuseEarly(store, step.bookId, step.seq);
        setHorizon(store, step.bookId, step.seq);
        return { rows: 0 };
      case "remove":
        return remove(store, step.bookId, step.afterSeq);
      case "restore":
        openSegment(step.segment, step.bytes);
        keepBytes(store, step);
        return { rows: 0 };
      case "recall":
        return recall(store, step.bookId, step.number);
      case "end-recall":
        return endRecall(store, step.bookId, step.keptUntil);
    }
  });
}

function record(store: Store, { segment, bytes }: SealedSegment): RetentionOutcome {
  const { database } = store;
  const { bookId, number, firstSeq, lastSeq } = segment;
  refuseEarly(store, bookId, lastSeq);
  const isSame = openSegment(segment, bytes);
  const here = database
    .prepare<unknown[], string>(
      "SELECT entry_hash FROM audit_log WHERE seq BETWEEN ? AND ? AND +book_id = ? ORDER BY seq",
    )
    .pluck()
    .all(firstSeq, lastSeq, bookId);
  if (here.length !== isSame.length || here.some((hash, index) => hash !== isSame[index]?.entry_hash))
    throw new PfsError(
      "CORRUPT",
      `The rows ${firstSeq} to ${lastSeq} of the log are not those of the segment.`,
    );
  keepBytes(store, { segment, bytes });
  database
    .prepare(
      `INSERT INTO log_segment (book_id, number, first_seq, last_seq, rows, first_time, last_time, last_hash, sha256, previous)
       VALUES (:bookId, :number, :firstSeq, :lastSeq, :rows, :firstTime, :lastTime, :lastHash, :sha256, :previous)`,
    )
    .run(segment);
  database
    .prepare(
      `INSERT INTO moved_path (book_id, path, number)
       SELECT DISTINCT book_id, path, ? FROM audit_log WHERE seq BETWEEN ? AND ? AND +book_id = ?`,
    )
    .run(number, firstSeq, lastSeq, bookId);
  setHorizon(store, bookId, lastSeq);
  return { rows: 0 };
}

/** What was shared a moment ago may be shared no more. */
function refuseEarly({ database }: Store, bookId: BookId, seq: number): void {
  if (seq <= movableUntil(database, bookId)) return;
  throw new PfsError(
    "NOT_PERMITTED",
    `Row ${seq} of the log is not known to be on the remote of ${bookId}.`,
    {
      hint: "Its rows stay here. They are moved once they are shared.",
    },
  );
}

function setHorizon({ database }: Store, bookId: BookId, seq: number): void {
  database
    .prepare(
      `INSERT INTO log_horizon (book_id, moved_seq) VALUES (?, ?)
       ON CONFLICT (book_id) DO UPDATE SET moved_seq = excluded.moved_seq, kept_until = NULL`,
    )
    .run(bookId, seq);
}

function keepBytes({ database }: Store, { segment, bytes }: SealedSegment): void {
  database
    .prepare(
      `INSERT INTO log_segment_bytes (sha256, bytes) VALUES (?, ?)
       ON CONFLICT (sha256) DO UPDATE SET bytes = excluded.bytes`,
    )
    .run(segment.sha256, bytes);
}

function remove({ database }: Store, bookId: BookId, afterSeq: number): RetentionOutcome {
  const horizon = MovedRows.of(database).horizonOf(bookId);
  const end = database
    .prepare<unknown[], number | null>(
      `SELECT max(seq) FROM (SELECT seq FROM audit_log WHERE seq > ? AND seq < ? ORDER BY seq LIMIT ${LOOKED_AT})`,
    )
    .pluck()
    .get(afterSeq, horizon);
  if (end == null) return { rows: 0 };
  const found = database
    .prepare<unknown[], MovedRow>(
      `SELECT seq, new_hash AS newHash, prev_hash AS prevHash, size FROM audit_log a
       WHERE seq > :after AND seq <= :end AND +book_id = :book AND ${MAY_GO} ORDER BY seq LIMIT ${TAKEN}`,
    )
    .all({ after: afterSeq, end, book: bookId, horizon });
  const name = database.prepare(
    `INSERT INTO moved_version (sha256, book_id, size) VALUES (unhex(?), ?, ?)
     ON CONFLICT DO UPDATE SET size = coalesce(size, excluded.size)`,
  );
  const take = database.prepare("DELETE FROM audit_log WHERE seq = ?");
  for (const { seq, newHash, prevHash, size } of found) {
    if (newHash !== null) name.run(newHash, bookId, size);
    if (prevHash !== null) name.run(prevHash, bookId, null);
    take.run(seq);
  }
  return { rows: found.length, upTo: found.length < TAKEN ? end : found.at(-1)?.seq };
}

interface MovedRow {
  readonly seq: number;
  readonly newHash: string | null;
  readonly prevHash: string | null;
  readonly size: number | null;
}

function recall({ database }: Store, bookId: BookId, number: number): RetentionOutcome {
  const moved = MovedRows.of(database);
  const segment = moved.segments(bookId).find((each) => each.number === number) as Segment;
  const isHere = database.prepare("SELECT 1 FROM audit_log WHERE seq = ?");
  const insert = database.prepare(
    `INSERT INTO audit_log (${logColumns}) VALUES (${logColumns.map(() => "?")})`,
  );
  const absent = moved.rowsOf(segment).filter(({ seq }) => isHere.get(seq) === undefined);
  for (const row of absent) insert.run(logColumns.map((name) => row[name]));
  return { rows: absent.length };
}

function endRecall({ database }: Store, bookId: BookId, keptUntil: string): RetentionOutcome {
  database
    .prepare("UPDATE log_horizon SET moved_seq = 0, kept_until = ? WHERE book_id = ?")
    .run(keptUntil, bookId);
  database.prepare("DELETE FROM moved_version WHERE book_id = ?").run(bookId);
  return { rows: 0 };
}
