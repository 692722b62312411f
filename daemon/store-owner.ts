/**
 * Owns what commands ask of whoever owns the store, as an interface: the daemon's mount thread, or this process while no
 * daemon runs.
 */
import type { ImportCounts } from "../lib/import.ts";
import type { BookId } from "../schema/ids.ts";
import type { BookSummary, ImportInput } from "./thread-calls.ts";

export interface StoreOwner {
  readonly storeDirectory: string;
  /** @throws PfsError NOT_FOUND */
  findBook(bookId: BookId): Promise<BookSummary>;
  /** @throws PfsError EXISTS, USAGE */
  createBook(bookId: BookId, profileJson: unknown): Promise<BookSummary>;
  /** @throws as importBatch of lib/import.ts */
  importBatch(input: ImportInput): Promise<ImportCounts>;
}
