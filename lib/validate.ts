/**
 * Owns holding paths against a profile (FR-010): which have no place in it, why, and what they may have been meant to be.
 * Must never change a path: a suggestion is shown, not applied.
 */
import { PfsError } from "../schema/errors.ts";
import type { BookId } from "../schema/ids.ts";
import { suggestPath } from "../schema/path-suggestion.ts";
import type { Profile } from "../schema/profiles.ts";
import { type ScanOptions, type ScanResult, scanDirectory } from "./import-scan.ts";
import type { StoreReader } from "./reader.ts";
import { JournalMode } from "./worktree/node-rows.ts";

/** A path that has no place in a profile. */
export interface Violation {
  readonly path: string;
  /** One sentence. */
  readonly reason: string;
  /** A path near it that is valid and free; null when there is none or more than one. */
  readonly suggestion: string | null;
}

/** Every file of a book against a profile, by default the book's own. Reads as it is asked. @throws PfsError NOT_FOUND */
export function* validateBook(
  reader: StoreReader,
  bookId: BookId,
  profile: Profile = reader.book(bookId).profile,
): Generator<Violation, void> {
  const isTaken = (path: string) => reader.file(bookId, path) !== undefined;
  for (const { path, mode } of reader.filesOf(bookId)) {
    const violation = judge(profile, path, mode === JournalMode.symlink, isTaken);
    if (violation !== undefined) yield violation;
  }
}

/**
 * Every file of a directory on disk against a profile, as an import of it would.
 * @throws PfsError NOT_FOUND, USAGE: no such directory
 */
export async function validateDirectory(
  directory: string,
  profile: Profile,
  options: ScanOptions = {},
): Promise<Violation[]> {
  const scan = await scanDirectory(directory, options);
  const problems = scan.problems.map(({ path, message }) => ({ path, reason: message, suggestion: null }));
  return [...problems, ...validateScan(scan, profile)];
}

/** Every file of a scan against a profile. */
export function validateScan(scan: ScanResult, profile: Profile): Violation[] {
  const paths = new Set(scan.files.map((file) => file.path));
  return scan.files.flatMap(
    (file) => judge(profile, file.path, file.type === "symlink", (path) => paths.has(path)) ?? [],
  );
}

/**
 * The scan as a book of this profile can take it: empty directories that have no place in it are left out, and said so.
 * @throws PfsError SCHEMA_VIOLATION naming every file that has no place in it, or the first few
 */
export function fitScan(scan: ScanResult, profile: Profile): ScanResult {
  const violations = validateScan(scan, profile);
  if (violations.length > 0) throw refusal(violations, profile);
  const misplaced = scan.directories.filter((path) => !profile.admitsDirectory(path));
  if (misplaced.length === 0) return scan;
  const skipped = misplaced.map((path) => ({
    path,
    reason: "an empty directory that the schema has no place for",
  }));
  return {
    files: scan.files,
    directories: scan.directories.filter((path) => profile.admitsDirectory(path)),
    skipped: [...scan.skipped, ...skipped],
  };
}

const SHOWN_VIOLATIONS = 5;

function refusal(violations: readonly Violation[], profile: Profile): PfsError {
  const shown = violations.slice(0, SHOWN_VIOLATIONS).map(({ path, reason, suggestion }) => {
    return `${path}: ${reason}${suggestion === null ? "" : ` Did you mean ${suggestion}?`}`;
  });
  const count = violations.length;
  const title = `${count === 1 ? "A file has" : `${count} files have`} no place in the profile ${profile.name}:`;
  if (count > SHOWN_VIOLATIONS) shown.push(`And ${count - SHOWN_VIOLATIONS} more.`);
  return new PfsError("SCHEMA_VIOLATION", [title, ...shown].join("\n"), {
    path: violations[0]!.path,
    hint: "Nothing was imported. Rename them, or import into a book with a wider profile (--schema).",
  });
}

function judge(
  profile: Profile,
  path: string,
  isSymlink: boolean,
  isTaken: (path: string) => boolean,
): Violation | undefined {
  if (profile.matchesFile(path)) {
    if (!isSymlink || profile.symlinks) return undefined;
    const reason = `It is a symbolic link, and the profile ${profile.name} has none.`;
    return { path, reason, suggestion: null };
  }
  const suggestion = suggestPath(profile, path);
  return {
    path,
    reason: profile.explain(path),
    suggestion: suggestion === undefined || isTaken(suggestion) ? null : suggestion,
  };
}
