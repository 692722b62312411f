/**
 * Owns under which name a file of a book is published, and whose name that is: `BOOK/content/a.md` for the base,
 * `BOOK/users/alice/content/a.md` for an overlay. Must never ask anybody.
 */
import { BASE, type BookId, parseUserId, type UserId } from "../../schema/ids.ts";
import { parseTreePath } from "../../schema/paths.ts";

const USERS = "users";
const SYMLINK = 0o120000;

/** A path of a layer. */
export interface Place {
  readonly userId: UserId;
  readonly path: string;
}

/** What everything that a book publishes begins with. */
export function publishedPrefix(bookId: BookId): string {
  return `${bookId}/`;
}

/** The name of a place; undefined for what the base has at `users`, where names are the overlays'. */
export function publishedName(bookId: BookId, { userId, path }: Place): string | undefined {
  if (userId !== BASE) return `${bookId}/${USERS}/${userId}/${path}`;
  if (path === USERS || path.startsWith(`${USERS}/`)) return undefined;
  return `${bookId}/${path}`;
}

/** Whether a file is one that readers without pfs can have: they know no symbolic links. */
export function isPublishable({ mode }: { readonly mode: number }): boolean {
  return mode !== SYMLINK;
}

/** Whose name it is; undefined for one that no file of the book has. */
export function placeOfName(bookId: BookId, name: string): Place | undefined {
  const prefix = publishedPrefix(bookId);
  if (!name.startsWith(prefix)) return undefined;
  const [first, user = "", ...rest] = name.slice(prefix.length).split("/");
  try {
    if (first !== USERS) return { userId: BASE, path: parseTreePath(name.slice(prefix.length)) };
    return { userId: parseUserId(user), path: parseTreePath(rest.join("/")) };
  } catch {
    return undefined;
  }
}
