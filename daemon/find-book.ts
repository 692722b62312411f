/** Owns asking a store's owner for a book that may not be there. */
import { PfsError } from "../schema/errors.ts";
import type { BookId } from "../schema/ids.ts";
import type { StoreOwner } from "./store-owner.ts";
import type { BookSummary } from "./thread-calls.ts";

/** undefined: there is none of that name. */
export async function findBook(owner: StoreOwner, bookId: BookId): Promise<BookSummary | undefined> {
  try {
    return await owner.findBook(bookId);
  } catch (error) {
    if (error instanceof PfsError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}
