/** Owns what is told of a book to whoever asks the store's owner. Must never read the store. */
import type { Book } from "../lib/book.ts";
import { profileToJson } from "../schema/profiles.ts";
import type { BookSummary } from "./thread-calls.ts";

export function summaryOf({ bookId, profile, fileSizeLimitBytes, rootId }: Book): BookSummary {
  return {
    book: bookId,
    profile: profile.name,
    profileJson: profileToJson(profile),
    fileSizeLimitBytes,
    rootId,
  };
}
