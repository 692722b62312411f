/**
 * Owns the shape of one row of the audit log and what its chain hashes (R6). The journal can be rebuilt from these rows
 * and the blobs, so that a row says everything a journal entry does. Must never know how rows are stored.
 */
import { hash } from "node:crypto";
import { type BlobHash, isBlobHash } from "./ids.ts";

/**
 * What was done. In an overlay `create` also is the first version over one of the base; `delete` and `revert` end the
 * overlay's own, so that the base shows again where it has something; `hide` makes the user see nothing there. `cover` and
 * `uncover` say of a file of the base what came of directories, which are in no log: that the user sees it no more, or again.
 */
export const logOperations = [
  "create",
  "update",
  "delete",
  "rename",
  "attributes",
  "hide",
  "revert",
  "cover",
  "uncover",
] as const;
export type LogOperation = (typeof logOperations)[number];
/** What is this machine's own, as directories are, and never shared. */
export const localOperations: readonly LogOperation[] = ["cover", "uncover"];
/** The same as a list in SQL. */
export const LOCAL_OPERATIONS = localOperations.map((operation) => `'${operation}'`).join(", ");
export type LogStatus = "ok" | "refused";

/** One row without its own hash: what the chain covers. Names are those of the table and of every JSON output. */
export interface LogRowBody {
  readonly seq: number;
  /** ISO 8601, UTC, milliseconds: 2025-11-25T21:46:00.000Z */
  readonly timestamp: string;
  readonly agent_id: string;
  readonly operation: LogOperation;
  readonly book_id: string;
  readonly path: string;
  /** The layer: `__base__` or a user. */
  readonly user_id: string;
  /** The path's hash before; null when it was absent. */
  readonly prev_hash: string | null;
  /** The path's hash after; null when it is absent. A refused row carries the current hash in both (R6). */
  readonly new_hash: string | null;
  readonly status: LogStatus;
  readonly error_message: string | null;
  readonly execution_time_ms: number;
  readonly file_id: number | null;
  /** For a rename: the other end. */
  readonly prev_path: string | null;
  /** Of the writing process; null when no process wrote through a mount. */
  readonly uid: number | null;
  readonly pid: number | null;
  readonly command: string | null;
  /** Bytes of the new content. */
  readonly size: number | null;
  /** File type and executable bit, as st_mode. */
  readonly mode: number | null;
  /** Nanoseconds since 1970 in decimal digits: more than a JSON number holds. */
  readonly mtime: string | null;
  /**
   * In an overlay, of a row that makes a version or hides a file: hash of the base's version that it began with, or that the user
   * had seen of what is hidden; {@link NO_BASE} where there was none, or it is not known. Null in the base, of other rows, and of
   * rows made before this was kept.
   */
  readonly base_hash: string | null;
}

/** One row of the log. */
export interface LogRow extends LogRowBody {
  /** SHA-256 of the row before's entry_hash and this row's canonical JSON. */
  readonly entry_hash: string;
}

/** Every field of a row, as the columns of the table are named. */
export const logColumns = [
  "seq",
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
  "execution_time_ms",
  "file_id",
  "prev_path",
  "uid",
  "pid",
  "command",
  "size",
  "mode",
  "mtime",
  "entry_hash",
  "base_hash",
] as const satisfies readonly (keyof LogRow)[];

/**
 * The longest error_message: a sentence that names paths, and others' sentences in it. Rows with a longer one are not made, and
 * not taken from others.
 */
export const ERROR_MESSAGE_MAX_CHARS = 16_384;

/** What stands for the entry hash before the first row. */
export const GENESIS_HASH = "0".repeat(64);

/** What stands for the base's version of a file that the base did not have, as git's object id of zeros does. */
export const NO_BASE = "0".repeat(64);

/** What a base_hash says: the base's version; null: there was none; undefined: nothing. */
export function baseSaidBy(row: Pick<LogRowBody, "base_hash">): BlobHash | null | undefined {
  const { base_hash } = row;
  if (base_hash === NO_BASE) return null;
  return base_hash !== null && isBlobHash(base_hash) ? base_hash : undefined;
}

/**
 * The canonical JSON of a row: RFC 8785 (keys sorted, no white space, JSON.stringify's forms for text and numbers).
 * Fields outside of LogRowBody, entry_hash among them, are left out; so is a base_hash that is null, which rows did not always
 * have. Written out by hand because every save calls it.
 * @throws RangeError when text holds an unpaired surrogate or a number is not finite: neither has a canonical form
 */
export function canonicalJson(row: LogRowBody): string {
  return (
    `{"agent_id":${text(row.agent_id)}${row.base_hash === null ? "" : `,"base_hash":${text(row.base_hash)}`},"book_id":${text(row.book_id)},"command":${text(row.command)}` +
    `,"error_message":${text(row.error_message)},"execution_time_ms":${number(row.execution_time_ms)}` +
    `,"file_id":${number(row.file_id)},"mode":${number(row.mode)},"mtime":${text(row.mtime)}` +
    `,"new_hash":${text(row.new_hash)},"operation":${text(row.operation)},"path":${text(row.path)}` +
    `,"pid":${number(row.pid)},"prev_hash":${text(row.prev_hash)},"prev_path":${text(row.prev_path)}` +
    `,"seq":${number(row.seq)},"size":${number(row.size)},"status":${text(row.status)}` +
    `,"timestamp":${text(row.timestamp)},"uid":${number(row.uid)},"user_id":${text(row.user_id)}}`
  );
}

/**
 * A row as every JSON of it is: without a base_hash that is null, so that its fields but for entry_hash are those that are
 * hashed.
 */
export function toldRow(row: LogRow): Omit<LogRow, "base_hash"> & { readonly base_hash?: string | null } {
  const { base_hash: _, ...told } = row;
  return row.base_hash === null ? told : row;
}

/** Printable ASCII but for the quote and the backslash. */
const plainText = /^[ !#-[\]-~]*$/;

function text(value: string | null): string {
  if (value === null) return "null";
  // Most text needs no escaping, and finding that out is cheaper than JSON.stringify.
  if (plainText.test(value)) return `"${value}"`;
  if (!value.isWellFormed()) throw new RangeError("a log row holds an unpaired surrogate");
  return JSON.stringify(value);
}

function number(value: number | null): string {
  if (value === null) return "null";
  if (!Number.isFinite(value)) throw new RangeError(`a log row holds the number ${value}`);
  // JSON.stringify(-0) is "0" and so is `${-0}`; both print doubles as ECMAScript does, which is what RFC 8785 asks.
  return `${value}`;
}

/** The entry hash of a row: SHA-256 over the row before's entry hash (its 64 digits) and the canonical JSON (UTF-8). */
export function entryHash(previousEntryHash: string, canonical: string): string {
  return hash("sha256", previousEntryHash + canonical, "hex");
}
