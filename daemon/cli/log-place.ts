/**
 * Owns what the words after `pfs log` mean: a book, a path in a book, a file or directory inside a mount. Must never need
 * the file to be there: removed ones have a history too.
 */

import { realpath } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { PfsError } from "../../schema/errors.ts";
import { type BookId, parseBookId, type UserId } from "../../schema/ids.ts";
import { shellWord } from "../../schema/shell-word.ts";
import { pathWithin } from "../host-path.ts";

export interface LogPlace {
  readonly book?: BookId;
  /** In the book; "" or absent: all of it. */
  readonly path?: string;
  /** Whose mount it was named in; null: the base's; absent: none. */
  readonly user?: UserId | null;
}

export interface Surroundings {
  readonly books: readonly BookId[];
  readonly mounts: readonly {
    readonly directory: string;
    readonly book: BookId;
    readonly user: UserId | null;
  }[];
}

/** @throws PfsError USAGE, NOT_FOUND */
export async function findPlace(
  words: readonly string[],
  { books, mounts }: Surroundings,
): Promise<LogPlace> {
  const [first, second] = words;
  if (first === undefined) return {};
  if (second !== undefined) {
    const book = known(parseBookId(first), books);
    const mounted = await findInMounts(second, mounts);
    return mounted?.book === book && isOfThisMachine(second) ? mounted : { book, path: trim(second) };
  }
  const mounted = await findInMounts(first, mounts);
  if (mounted !== undefined) return mounted;
  if (books.includes(first as BookId)) return { book: first as BookId };
  if (books.length === 1) return { book: books[0] as BookId, path: trim(first) };
  throw new PfsError("USAGE", `It is not clear which book ${first} is in.`, {
    hint: `Name the book first: pfs log BOOK ${shellWord(first)}. There ${books.length === 0 ? "are none yet" : `are ${books.join(", ")}`}.`,
  });
}

function known(book: BookId, books: readonly BookId[]): BookId {
  if (books.includes(book)) return book;
  throw new PfsError("NOT_FOUND", `There is no book ${book} in the store.`, {
    hint: books.length === 0 ? "Make one with `pfs init BOOK`." : `It holds: ${books.join(", ")}.`,
  });
}

function isOfThisMachine(path: string): boolean {
  return path.startsWith("/") || path.startsWith("./") || path.startsWith("../");
}

/** The place that a path of this machine is in some mount; undefined where it is in none. */
export async function findInMounts(
  path: string,
  mounts: Surroundings["mounts"],
): Promise<LogPlace | undefined> {
  if (mounts.length === 0) return undefined;
  const absolute = await realPath(resolve(path));
  // A mount may lie within another: the deepest is the one that shows the file.
  const deepestFirst = [...mounts].sort((a, b) => b.directory.length - a.directory.length);
  for (const { directory, book, user } of deepestFirst) {
    const within = pathWithin(absolute, directory);
    if (within !== undefined) return { book, path: within, user };
  }
  return undefined;
}

/** realpath(3) as far as the path is there; a last symbolic link is the file that is meant. */
async function realPath(path: string): Promise<string> {
  const parent = dirname(path);
  if (parent === path) return path;
  const real = await realpath(parent).catch(() => realPath(parent));
  return join(real, basename(path));
}

function trim(path: string): string {
  return path.replace(/^(\.?\/)+/, "").replace(/\/+$/, "");
}
