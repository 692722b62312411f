/**
 * Owns what a segment of a log is as bytes: rows of one book as JSON lines behind a line that says which they are, compressed
 * with zstd, so that `zstdcat` shows them. Rows do not have their entry_hash, which nothing can make shorter: it comes of what the
 * first one builds on. Must never know where segments are kept.
 */
import { hash } from "node:crypto";
import { zstdCompressSync, zstdDecompressSync } from "node:zlib";
import type { z } from "zod";
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import {
  canonicalJson,
  entryHash,
  type LogRow,
  type LogRowBody,
  logColumns,
  logOperations,
  toldRow,
} from "../../schema/log-row.ts";
import { lazily } from "../../schema/zod.ts";

/** A row in a segment. */
export interface SegmentRow extends LogRow {
  /** The entry_hash that its own builds on, where the row before it in the log is another book's, or in another segment. */
  readonly chained_to?: string;
}

/** As it is written. */
type StoredRow = LogRowBody & Pick<SegmentRow, "chained_to">;

/** What a store keeps of a segment in its own tables; what names it. */
export interface Segment {
  readonly bookId: BookId;
  /** From 1: one after the other they are the beginning of the book's log. */
  readonly number: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly rows: number;
  /** Timestamps of the first and the last row. */
  readonly firstTime: string;
  readonly lastTime: string;
  /** entry_hash of the last row. */
  readonly lastHash: string;
  /** Of the bytes. */
  readonly sha256: string;
  /** sha256 of the segment before; {@link NO_SEGMENT} for the first. */
  readonly previous: string;
}

/** A segment with its bytes. Plain data: it may be sent to another thread. */
export interface SealedSegment {
  readonly segment: Segment;
  readonly bytes: Uint8Array;
}

/** What stands for the segment before the first. */
export const NO_SEGMENT = "0".repeat(64);

/** No segment is longer: what claims to be is not unpacked. */
const MAX_TEXT_BYTES = 64 * 1024 * 1024;
const FORMAT = "pfs-log-segment-1";

const shapes = lazily((z) => {
  const count = z.number().int().nonnegative();
  const text = z.string();
  const digest = text.regex(/^[0-9a-f]{64}$/);
  const head = z.strictObject({
    format: z.literal(FORMAT),
    store_id: text,
    book_id: text,
    number: count,
    first_seq: count,
    last_seq: count,
    rows: count,
    last_hash: digest,
    previous: digest,
  });
  const row = z.strictObject({
    seq: count,
    timestamp: text,
    agent_id: text,
    operation: z.enum(logOperations),
    book_id: text,
    path: text,
    user_id: text,
    prev_hash: text.nullable(),
    new_hash: text.nullable(),
    status: z.enum(["ok", "refused"]),
    error_message: text.nullable(),
    execution_time_ms: z.number(),
    file_id: z.number().nullable(),
    prev_path: text.nullable(),
    uid: z.number().nullable(),
    pid: z.number().nullable(),
    command: text.nullable(),
    size: z.number().nullable(),
    mode: z.number().nullable(),
    mtime: text.nullable(),
    base_hash: digest.nullable().default(null),
    chained_to: digest.optional(),
  } satisfies Record<keyof StoredRow, z.ZodType>);
  return { head, row };
});

/**
 * Makes the next segment of a book of its rows, in order and at least one.
 * @param previous the segment before, if there is one
 */
export function sealSegment(
  storeId: string,
  rows: readonly SegmentRow[],
  previous: Pick<Segment, "number" | "sha256"> | undefined,
): SealedSegment {
  const [first, last] = [rows[0], rows.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError("a segment has at least one row");
  const unnamed = {
    number: (previous?.number ?? 0) + 1,
    firstSeq: first.seq,
    lastSeq: last.seq,
    rows: rows.length,
    previous: previous?.sha256 ?? NO_SEGMENT,
  };
  const head = {
    format: FORMAT,
    store_id: storeId,
    book_id: first.book_id,
    number: unnamed.number,
    first_seq: unnamed.firstSeq,
    last_seq: unnamed.lastSeq,
    rows: unnamed.rows,
    last_hash: last.entry_hash,
    previous: unnamed.previous,
  };
  const lines = rows.map(segmentLine);
  const bytes = new Uint8Array(zstdCompressSync(`${[JSON.stringify(head), ...lines].join("\n")}\n`));
  const segment = {
    bookId: first.book_id as BookId,
    ...unnamed,
    firstTime: first.timestamp,
    lastTime: last.timestamp,
    lastHash: last.entry_hash,
    sha256: hash("sha256", bytes, "hex"),
  };
  return { segment, bytes };
}

/** Fields in the table's order, as in every JSON of a row. */
function segmentLine(row: SegmentRow): string {
  const told = toldRow(row);
  const names = logColumns.filter((name) => name !== "entry_hash" && name in told);
  const fields: [string, unknown][] = names.map((name) => [name, told[name]]);
  if (row.chained_to !== undefined) fields.push(["chained_to", row.chained_to]);
  return JSON.stringify(Object.fromEntries(fields));
}

/**
 * The rows of a segment, each chained to the one before it (R6).
 * @throws PfsError CORRUPT: these are not the bytes of that segment, or its rows are not what they were
 */
export function openSegment(segment: Segment, bytes: Uint8Array): LogRow[] {
  if (hash("sha256", bytes, "hex") !== segment.sha256)
    throw corruptSegment(segment, "its bytes do not match its hash");
  try {
    const [head = "", ...lines] = zstdDecompressSync(bytes, { maxOutputLength: MAX_TEXT_BYTES })
      .toString("utf8")
      .trimEnd()
      .split("\n");
    const is = shapes().head.parse(JSON.parse(head));
    const isIt =
      is.book_id === segment.bookId &&
      is.number === segment.number &&
      is.first_seq === segment.firstSeq &&
      is.last_seq === segment.lastSeq &&
      is.rows === segment.rows &&
      is.last_hash === segment.lastHash &&
      is.previous === segment.previous;
    if (!isIt) throw corruptSegment(segment, "it says that it is another one");
    return chained(
      segment,
      lines.map((line) => shapes().row.parse(JSON.parse(line)) as StoredRow),
    );
  } catch (error) {
    if (error instanceof PfsError) throw error;
    throw corruptSegment(segment, "what is in it are no rows of a log", error);
  }
}

/** With their entry_hash. @throws PfsError CORRUPT */
function chained(segment: Segment, stored: readonly StoredRow[]): LogRow[] {
  const rows: LogRow[] = [];
  for (const { chained_to, ...row } of stored) {
    const before = rows.at(-1);
    const chainedTo = chained_to ?? (before?.seq === row.seq - 1 ? before.entry_hash : undefined);
    if (row.book_id !== segment.bookId || row.seq <= (before?.seq ?? 0) || chainedTo === undefined)
      throw corruptSegment(segment, `row ${row.seq} in it does not follow the one before`);
    rows.push({ ...row, entry_hash: entryHash(chainedTo, canonicalJson(row)) });
  }
  const last = rows.at(-1);
  const isWhole =
    rows.length === segment.rows &&
    rows[0]?.seq === segment.firstSeq &&
    last?.seq === segment.lastSeq &&
    last.entry_hash === segment.lastHash;
  if (!isWhole) throw corruptSegment(segment, "its rows are not what they were");
  return rows;
}

/** `rows 1 to 1000 of the log (my-book, segment 1)` */
export function segmentText({ bookId, number, firstSeq, lastSeq }: Segment): string {
  return `rows ${firstSeq} to ${lastSeq} of the log (${bookId}, segment ${number})`;
}

/** The refusal of a segment that is not what was recorded. @param why the end of a sentence, without its full stop */
export function corruptSegment(segment: Segment, why: string, cause?: unknown): PfsError {
  return new PfsError("CORRUPT", `The segment that has ${segmentText(segment)} is damaged: ${why}.`, {
    hint: `\`pfs retention ${segment.bookId} --recall\` fetches it from the remote again, and brings the rows back.`,
    cause,
  });
}
