/**
 * Owns what a path inside a book is, before any schema is asked: FR-009. Bytes are never normalised: two names that
 * differ in one byte are two names. Must never touch a disk.
 */
import { PfsError, PosixError } from "./errors.ts";
import { quote } from "./ids.ts";

declare const brand: unique symbol;

/** A valid path relative to the book's root, `/`-separated, never empty. Made by {@link parseTreePath} only. */
export type TreePath = string & { readonly [brand]: "TreePath" };
/** The book's root directory, the one directory that has no {@link TreePath}. */
export const ROOT = "";
/** A directory of the book: its root or a path. */
export type DirectoryPath = TreePath | typeof ROOT;

/** Longest name in UTF-8 bytes. Source: NAME_MAX, linux/include/uapi/linux/limits.h */
export const NAME_MAX_BYTES = 255;
/** Longest path in UTF-8 bytes: PATH_MAX (4096, same source) less its terminating NUL. */
export const PATH_MAX_BYTES = 4095;

const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * Checks a whole path.
 * @throws PfsError INVALID_PATH: empty, leading or trailing `/`, `//`, `.` or `..` as a segment, NUL and other control
 *   characters (U+0000-U+001F, U+007F-U+009F), unpaired surrogates
 * @throws PosixError ENAMETOOLONG: a segment over 255 or a path over 4095 UTF-8 bytes
 */
export function parseTreePath(text: string): TreePath {
  if (text === "") throw invalid(text, "is empty");
  let pathBytes = -1;
  let start = 0;
  for (;;) {
    const slash = text.indexOf("/", start);
    const end = slash === -1 ? text.length : slash;
    pathBytes += 1 + checkSegment(text, start, end);
    if (slash === -1) break;
    start = slash + 1;
  }
  if (pathBytes > PATH_MAX_BYTES) throw tooLong(text, `path is longer than ${PATH_MAX_BYTES} bytes`);
  return text as TreePath;
}

/**
 * Checks a single name, as the kernel hands it over.
 * @throws PfsError INVALID_PATH and PosixError ENAMETOOLONG as {@link parseTreePath}; a `/` is INVALID_PATH too
 */
export function checkName(name: string): void {
  if (name.includes("/")) throw invalid(name, "holds a slash");
  checkSegment(name, 0, name.length);
}

/** The UTF-8 length of one segment, after checking it. */
function checkSegment(text: string, start: number, end: number): number {
  const length = end - start;
  if (length === 0) throw invalid(text, emptySegmentReason(text, start));
  if (length <= 2 && text.charCodeAt(start) === DOT && text.charCodeAt(end - 1) === DOT) {
    throw invalid(text, `has ${length === 1 ? '"."' : '".."'} as a name`);
  }
  let bytes = 0;
  for (let i = start; i < end; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 0x80) {
      if (unit < 0x20 || unit === 0x7f) throw invalid(text, "holds a control character");
      bytes += 1;
    } else if (unit < 0x800) {
      if (unit < 0xa0) throw invalid(text, "holds a control character");
      bytes += 2;
    } else if (unit < 0xd800 || unit > 0xdfff) {
      bytes += 3;
    } else {
      const next = i + 1 < end ? text.charCodeAt(i + 1) : 0;
      if (unit > 0xdbff || next < 0xdc00 || next > 0xdfff) throw invalid(text, "holds half a character");
      bytes += 4;
      i += 1;
    }
  }
  if (bytes > NAME_MAX_BYTES) throw tooLong(text, `name is longer than ${NAME_MAX_BYTES} bytes`);
  return bytes;
}

function emptySegmentReason(text: string, start: number): string {
  if (text === "") return "is empty";
  if (start === 0) return "begins with a slash";
  return start === text.length ? "ends with a slash" : "has two slashes in a row";
}

function invalid(text: string, reason: string): PfsError {
  return new PfsError("INVALID_PATH", `The path ${quote(text)} ${reason}.`, {
    path: text,
    hint: "Paths are relative to the book's root, such as content/01-Part/01-Chapter/01-lesson.md.",
  });
}

function tooLong(text: string, reason: string): PosixError {
  return new PosixError("ENAMETOOLONG", `The ${reason}: ${quote(text)}.`, { path: text });
}

// ignoreBOM keeps a leading U+FEFF: without it two different names would decode to one.
const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A name's text, or undefined when the bytes are not valid UTF-8 (overlong forms and surrogates included). */
export function decodeName(bytes: Uint8Array): string | undefined {
  try {
    return strictUtf8.decode(bytes);
  } catch {
    return undefined;
  }
}

/** The directory that holds `path`. */
export function parentOf(path: TreePath): DirectoryPath {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? ROOT : (path.slice(0, slash) as TreePath);
}

/** The last segment of `path`. */
export function baseNameOf(path: TreePath): string {
  return path.slice(path.lastIndexOf("/") + 1);
}

/** The names of `path` from the root down. */
export function segmentsOf(path: TreePath): string[] {
  return path.split("/");
}

/**
 * The path of `name` in `directory`.
 * @throws as {@link checkName}; ENAMETOOLONG also when the whole path would be over 4095 bytes
 */
export function joinPath(directory: DirectoryPath, name: string): TreePath {
  checkName(name);
  if (directory === ROOT) return name as TreePath;
  const path = `${directory}/${name}`;
  // A UTF-16 unit is at most three bytes, so most paths need no counting.
  if (path.length * 3 > PATH_MAX_BYTES && Buffer.byteLength(path) > PATH_MAX_BYTES) {
    throw tooLong(path, `path is longer than ${PATH_MAX_BYTES} bytes`);
  }
  return path as TreePath;
}

/** True when `path` is somewhere below `directory`, at any depth; a directory is not below itself. */
export function isBelow(path: string, directory: DirectoryPath): boolean {
  if (directory === ROOT) return path !== ROOT;
  return (
    path.length > directory.length &&
    path.startsWith(directory) &&
    path.charCodeAt(directory.length) === SLASH
  );
}
