/** Owns what paths mean that follow a book's name: in the book, or files in a mount of it. */
import type { BookId } from "../../schema/ids.ts";
import { type Context, statusOf } from "./context.ts";
import { findPlace, type LogPlace } from "./log-place.ts";

/** The same paths, relative to the book's root; "" is the root. */
export async function pathsInBook(
  context: Context,
  bookId: BookId,
  words: readonly string[],
): Promise<string[]> {
  return (await placesInBook(context, bookId, words)).map(({ path }) => path);
}

/** The same, and whose mount each was named in, as of {@link LogPlace}. */
export async function placesInBook(
  context: Context,
  bookId: BookId,
  words: readonly string[],
): Promise<{ readonly path: string; readonly user: LogPlace["user"] }[]> {
  const daemon = await context.daemon();
  const mounts = daemon === undefined ? [] : (await statusOf(daemon)).mounts;
  const places = await Promise.all(
    words.map((word) => findPlace([bookId, word], { books: [bookId], mounts })),
  );
  return places.map(({ path = "", user }) => ({ path: path === "." ? "" : path, user }));
}
