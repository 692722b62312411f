/** Owns the refusal of positions of which rows are in segments only: what was there then cannot be said from the table. */
import type { Database } from "better-sqlite3";
import { PfsError } from "../../schema/errors.ts";
import type { BookId, Seq } from "../../schema/ids.ts";
import { MovedRows } from "./moved-rows.ts";

/** The book's beginning is no such position: it is empty. @throws PfsError UNAVAILABLE */
export function refuseMoved(database: Database, bookId: BookId, seq: Seq): void {
  const horizon = MovedRows.of(database).horizonOf(bookId);
  if (seq >= horizon || seq === 0) return;
  throw new PfsError(
    "UNAVAILABLE",
    `Position ${seq} of ${bookId} cannot be looked at: rows of its log before position ${horizon} have moved into segments.`,
    {
      hint: `\`pfs retention ${bookId} --recall\` brings them back. \`pfs log\` shows them as they are.`,
    },
  );
}
