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

/**
 * Parses and checks what a remote answered to rowsAfter: rows of the book from `after` on, the row there first (but for 0).
 * @throws PfsError STORE_DAMAGED
 */
export function parsePage(bookId: BookId, after: number, values: readonly unknown[]): SharedRow[] {
  const rows = values.map((value) => {
    const row = parseSharedRow(value);
    if ("wrong" in row) {
      const { seq } = value as { readonly seq?: unknown };
      throw damaged(bookId, `row ${Number(seq)} is none: ${row.wrong}`);
    }
    if (row.book_id !== bookId) throw damaged(bookId, `row ${row.seq} is of ${row.book_id}`);
    return row;
  });
  const first = after === 0 ? undefined : rows.shift();
  if (after !== 0 && first?.seq !== after)
    throw damaged(bookId, `it has no row ${after}, which it had before`);
  verifyPage(first === undefined ? EMPTY_HEAD : { seq: after, entryHash: first.entry_hash }, rows);
  return rows;
}

/** What a remote has of a book is not what it should be. */
export function damaged(bookId: string, what: string): PfsError {
  return new PfsError("STORE_DAMAGED", `The shared log of ${bookId} is damaged: ${what}.`, {
    hint: "Nothing was taken from it. Restore the remote from a backup, or share the book on another one.",
  });
}
