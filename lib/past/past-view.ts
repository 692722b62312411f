/** Owns what a past state is to whoever shows it: which files it has, by path. Must never know whose it is. */
import type { Seq } from "../../schema/ids.ts";
import type { BookFile } from "../reader.ts";

/** Paths from `from` up to, but not, `end`, bytewise. */
export interface PathRange {
  readonly from: string;
  readonly end: string | Uint8Array;
}

/** One layer of a book, or what a user sees, at any position of the log. */
export interface PastView {
  /** The file that was at a path. */
  file(path: string, seq: Seq): BookFile | undefined;
  /** The files in a range, bytewise sorted by path. The connection must not write until it has ended. */
  filesIn(range: PathRange, seq: Seq): Generator<BookFile, void>;
  /** Whether there was a file below a directory, which is what made it one. */
  hasDirectory(path: string, seq: Seq): boolean;
}

// SQLite sorts every text before every blob, so that an empty blob is the end of all paths.
const NO_END = new Uint8Array(0);

/** All paths below a directory; "" is the root. */
export function rangeBelow(directory: string): PathRange {
  // "0" is the character after "/": what begins with `directory/` is from there up to `directory0`.
  return directory === "" ? { from: "", end: NO_END } : { from: `${directory}/`, end: `${directory}0` };
}
