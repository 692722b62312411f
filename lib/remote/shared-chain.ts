/**
 * Owns the chain of a book's shared log: that rows of a remote are rows, follow each other without a gap, and have the
 * entry_hash that the row before asks for (R6). Must never know where they came from.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import { entryHash, GENESIS_HASH } from "../../schema/log-row.ts";
import {
  canonicalSharedJson,
  parseSharedRow,
  type RowToShare,
  type SharedRow,
} from "../../schema/shared-row.ts";
import type { SharedHead } from "./remote-log.ts";

/** The head of an empty log. */
export const EMPTY_HEAD: SharedHead = { seq: 0, entryHash: GENESIS_HASH };

/** The row as the next one after `head`. */
export function chain(head: SharedHead, row: RowToShare): SharedRow {
  const placed = { ...row, seq: head.seq + 1 };
  return { ...placed, entry_hash: entryHash(head.entryHash, canonicalSharedJson(placed)) };
}

/**
 * The head of a shared log after rows that were appended to it, by what was sent, whatever the remote says of it: as far as
 * they come right after a head that is known. A refused row ends that, as the remote gives it its hashes.
 * @param seqs of the rows
 */
export function headBehind(
  known: { readonly seq: number; readonly entryHash: string | null },
  rows: readonly RowToShare[],
  seqs: readonly number[],
): typeof known {
  const { seq, entryHash: hash } = known;
  let head = seq === 0 ? EMPTY_HEAD : hash === null ? undefined : { seq, entryHash: hash };
  if (head === undefined) return known;
  for (const [index, row] of rows.entries()) {
    if (seqs[index] !== head.seq + 1 || row.status === "refused") break;
    const next: SharedRow = chain(head, row);
    head = { seq: next.seq, entryHash: next.entry_hash };
  }
  return head;
}

/**
 * Checks rows of a book that follow `head`.
 * @returns the head after them
 * @throws PfsError STORE_DAMAGED naming the first that does not fit
 */
export function verifyPage(head: SharedHead, rows: readonly SharedRow[]): SharedHead {
  let last = head;
  for (const row of rows) {
    if (row.seq !== last.seq + 1) throw damaged(row.book_id, `row ${last.seq + 1} is missing`);
    if (row.entry_hash !== entryHash(last.entryHash, canonicalSharedJson(row)))
      throw damaged(row.book_id, `row ${row.seq} was changed, or one before it: its entry_hash does not fit`);
    last = { seq: row.seq, entryHash: row.entry_hash };
  }
  return last;
}

/** What rowsAfter is asked for. */
interface PageWish {
  readonly after: number;
  readonly limit: number;
  /** The entry_hash of the row at `after` when it was seen; undefined or null: it was not. */
  readonly knownHash?: string | null | undefined;
}

/**
 * Parses and checks what a remote answered to rowsAfter: rows of the book from `after` on, the row there first (but for 0).
 * Takes one after the other, and none behind the first that is wrong.
 * @throws PfsError STORE_DAMAGED
 */
export function parsePage(
  bookId: BookId,
  { after, limit, knownHash = null }: PageWish,
  values: Iterable<unknown>,
): SharedRow[] {
  const rows: SharedRow[] = [];
  const most = after === 0 ? limit : limit + 1;
  for (const value of values) {
    if (rows.length === most) throw damaged(bookId, "it answers with more rows than it was asked for");
    const row = parseSharedRow(value);
    if ("wrong" in row) {
      const { seq } = value as { readonly seq?: unknown };
      throw damaged(bookId, `row ${Number(seq)} is none: ${row.wrong}`);
    }
    if (row.book_id !== bookId) throw damaged(bookId, `row ${row.seq} is of ${row.book_id}`);
    rows.push(row);
  }
  const first = after === 0 ? undefined : rows.shift();
  if (after !== 0 && first?.seq !== after)
    throw damaged(bookId, `it has no row ${after}, which it had before`);
  if (first !== undefined && knownHash !== null && first.entry_hash !== knownHash)
    throw damaged(
      bookId,
      `it was rewritten, as row ${after}, or one before it, is another one than it had before`,
    );
  verifyPage(first === undefined ? EMPTY_HEAD : { seq: after, entryHash: first.entry_hash }, rows);
  return rows;
}

/** What a remote has of a book is not what it should be. */
export function damaged(bookId: string, what: string): PfsError {
  return new PfsError("STORE_DAMAGED", `The shared log of ${bookId} is damaged: ${what}.`, {
    hint: "Nothing was taken from it. Restore the remote from a backup, or share the book on another one.",
  });
}
