/** Owns which past view is whose: the base's, or what a user sees over it. */
import type { Database } from "better-sqlite3";
import { BASE, type BookId, type UserId } from "../../schema/ids.ts";
import { PastFiles } from "./past-files.ts";
import { PastOverlay } from "./past-overlay.ts";
import type { PastView } from "./past-view.ts";

/** `userId` undefined: the base. */
export function pastViewOf(database: Database, bookId: BookId, userId: UserId | undefined): PastView {
  return userId === undefined
    ? new PastFiles(database, bookId, BASE)
    : new PastOverlay(database, bookId, userId);
}
