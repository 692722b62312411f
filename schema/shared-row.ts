/**
 * Owns the shape of a row of the log as it is on a remote, shared by many stores, what the chain there hashes (R6), and what
 * of a remote's answers is believed to be such a row. Must never know how rows are stored.
 */
import type { z } from "zod";
import { parseAgentName, parseBookId, parseLayerOwner } from "./ids.ts";
import { canonicalJson, ERROR_MESSAGE_MAX_CHARS, type LogRowBody, logOperations } from "./log-row.ts";
import { parseTreePath } from "./paths.ts";
import { lazily } from "./zod.ts";

/** Whose row it is. The two together are the row's identity (O1). */
export interface RowOrigin {
  /** store_id of the store in whose log it was made. */
  readonly origin: string;
  /** Its position in that log; of a row that was shared first (`sync=strict`) a number from {@link FIRST_STRICT_SEQ} on. */
  readonly origin_seq: number;
}

/**
 * A row that is shared before it is in its store's log has no position there that could name it. In the place of that it has the
 * microseconds since 1970; no log gets as far.
 */
export const FIRST_STRICT_SEQ = 1e15;

/** A row that is to be shared: its position in the shared log is yet to be given. */
export type RowToShare = Omit<LogRowBody, "seq"> & RowOrigin;

/** A row of a book's shared log. `seq` is its position there: 1, 2, 3 … without gaps. */
export interface SharedRow extends LogRowBody, RowOrigin {
  /** SHA-256 of the row before's entry_hash and this row's canonical JSON. */
  readonly entry_hash: string;
}

/**
 * The canonical JSON of a shared row: RFC 8785, of the fields of LogRowBody and RowOrigin.
 * @throws RangeError as {@link canonicalJson}
 */
export function canonicalSharedJson(row: LogRowBody & RowOrigin): string {
  const { origin, origin_seq } = row;
  // "origin" sorts after "operation" and before "path"; within a string of JSON no quote follows a comma.
  const json = canonicalJson(row);
  const at = json.indexOf(',"path":');
  return `${json.slice(0, at)},"origin":${JSON.stringify(origin)},"origin_seq":${origin_seq}${json.slice(at)}`;
}

/** Whether a parser takes a text, which throws for what it refuses. */
function takenBy(parse: (text: string) => unknown): (text: string) => boolean {
  return (text) => {
    try {
      parse(text);
      return true;
    } catch {
      return false;
    }
  };
}

/** Text without what no database has a place for. */
function isStorable(text: string): boolean {
  return text.isWellFormed() && !text.includes("\0");
}

/** What is needed to keep the file that a row makes. */
function isComplete(
  row: Pick<RowToShare, "status" | "new_hash" | "size" | "mode" | "mtime" | "file_id">,
): boolean {
  if (row.status !== "ok" || row.new_hash === null) return true;
  return row.size !== null && row.mode !== null && row.mtime !== null && row.file_id !== null;
}

const shapes = lazily((z): { toShare: z.ZodType<RowToShare>; shared: z.ZodType<SharedRow> } => {
  const hash = z.string().regex(/^[0-9a-f]{64}$/);
  const count = z.number().int().nonnegative();
  const path = z.string().refine(takenBy(parseTreePath));
  const text = (maxChars: number) => z.string().max(maxChars).refine(isStorable);
  const unplaced = {
    timestamp: z.iso.datetime({ precision: 3 }),
    agent_id: z.string().refine(takenBy(parseAgentName)),
    operation: z.enum(logOperations),
    book_id: z.string().refine(takenBy(parseBookId)),
    path,
    user_id: z.string().refine(takenBy(parseLayerOwner)),
    prev_hash: hash.nullable(),
    new_hash: hash.nullable(),
    status: z.enum(["ok", "refused"]),
    error_message: text(ERROR_MESSAGE_MAX_CHARS).nullable(),
    execution_time_ms: z.number().nonnegative(),
    file_id: z
      .number()
      .int()
      .min(2 ** 32)
      .nullable(),
    prev_path: path.nullable(),
    uid: count.nullable(),
    pid: count.nullable(),
    command: text(4096).nullable(),
    size: count.nullable(),
    mode: z.literal([0o100644, 0o100755, 0o120000]).nullable(),
    // As many digits as SQLite's and PostgreSQL's integers have room for.
    mtime: z
      .string()
      .regex(/^(?:0|-?[1-9][0-9]{0,18})$/)
      .refine((digits) => BigInt.asIntN(64, BigInt(digits)) === BigInt(digits))
      .nullable(),
    base_hash: hash.nullable(),
    origin: hash,
    origin_seq: z.number().int().positive(),
  };
  return {
    toShare: z.object(unplaced).refine(isComplete),
    shared: z
      .object({ ...unplaced, seq: z.number().int().positive(), entry_hash: hash })
      .refine(isComplete)
      .refine((row) => row.status === "ok" || row.prev_hash === row.new_hash),
  };
});

/** A row that a remote answered with; undefined, and the field that is wrong, where it is none that could be believed. */
export function parseSharedRow(value: unknown): SharedRow | { readonly wrong: string } {
  return parse(shapes().shared, value);
}

/** The same of a row that is to be sent; fields that shared rows do not have are left out. */
export function parseRowToShare(value: unknown): RowToShare | { readonly wrong: string } {
  return parse(shapes().toShare, value);
}

function parse<Row>(shape: z.ZodType<Row>, value: unknown): Row | { readonly wrong: string } {
  const parsed = shape.safeParse(value);
  if (parsed.success) return parsed.data;
  return { wrong: parsed.error.issues[0]?.path.join(".") || "what a file needs" };
}
