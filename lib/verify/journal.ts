/**
 * Owns checking the journal row by row: that its path may be in the book (R1), that there are bytes for it (B1, R2), that
 * its identity is its own (I1). Must never read the bytes; blobs.ts does.
 */
import { PfsError, PosixError } from "../../schema/errors.ts";
import { parseFileId } from "../../schema/ids.ts";
import { parseTreePath } from "../../schema/paths.ts";
import type { Profile } from "../../schema/profiles.ts";
import { isScratchName } from "../../schema/scratch.ts";
import { CONTROL_DIRECTORY } from "../worktree/name-class.ts";
import { JournalMode } from "../worktree/node-rows.ts";
import { type Check, countRows } from "./check.ts";

interface Row {
  readonly book_id: string;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly mode: number;
  readonly file_id: number;
  readonly storage_backend: string;
  /** null when there is no blob. */
  readonly blob_size: number | null;
  readonly is_object: number;
  /** A remote is known to have the bytes. */
  readonly is_remote: number;
}

export async function checkJournal(check: Check): Promise<void> {
  check.begin("journal", countRows(check.snapshot, "file_journal"));
  const { database } = check.snapshot;
  const profiles = readProfiles(check);
  const rows = database.prepare<[], Row>(
    `SELECT j.book_id, j.path, j.sha256, j.size, j.mode, j.file_id, j.storage_backend, b.size AS blob_size,
     b.data IS NULL AS is_object, EXISTS (SELECT 1 FROM remote_blob r WHERE r.sha256 = j.sha256) AS is_remote
     FROM file_journal j LEFT JOIN blob b ON b.sha256 = j.sha256`,
  );
  for (const row of rows.iterate()) {
    if (check.tick()) await check.breathe();
    checkPath(check, row, profiles);
    checkBytes(check, row);
    checkFileId(check, row);
  }
  checkSharedIds(check);
}

function readProfiles(check: Check): Map<string, Profile> {
  try {
    return new Map(check.snapshot.listBooks().map((book) => [book.bookId, book.profile]));
  } catch {
    // checkDatabase has said what is wrong with it.
    return new Map();
  }
}

function checkPath(check: Check, row: Row, profiles: ReadonlyMap<string, Profile>): void {
  const reason = misfitOf(row, profiles.get(row.book_id));
  if (reason === undefined) return;
  check.report({
    rule: "R1",
    severity: "error",
    subject: row.path,
    message: `${row.path} (${row.book_id}) is in the journal, where it may not be: ${reason}`,
    hint: "Move it to a valid path in the mounted book, or remove it; `pfs validate` suggests one.",
  });
}

function misfitOf(row: Row, profile: Profile | undefined): string | undefined {
  try {
    parseTreePath(row.path);
  } catch (error) {
    if (error instanceof PfsError || error instanceof PosixError) return error.message;
    throw error;
  }
  const names = row.path.split("/");
  if (names[0] === CONTROL_DIRECTORY) return "it is where the control files are.";
  if (names.some(isScratchName)) return "it has a name of scratch.";
  if (profile === undefined) return "there is no such book, or its profile cannot be read.";
  if (!profile.matchesFile(row.path)) return profile.explain(row.path);
  if (row.mode === JournalMode.symlink && !profile.symlinks)
    return `it is a symbolic link, and the profile ${profile.name} has none.`;
  return undefined;
}

function checkBytes(check: Check, row: Row): void {
  if (row.blob_size === null) {
    if (row.is_remote === 1) return;
    check.report({
      rule: "B1",
      severity: "error",
      subject: row.path,
      message: `The bytes of ${row.path} (${row.book_id}) are not in the store: there is no blob ${row.sha256}.`,
      hint: "Import the file again from where it came from, or restore the store from a backup.",
    });
    return;
  }
  const storage = row.is_object === 1 ? "object" : "inline";
  // What was on the remote only may have been fetched since.
  const isWhereSaid = row.storage_backend === storage || row.storage_backend === "remote";
  if (row.blob_size === row.size && isWhereSaid) return;
  const what =
    row.blob_size === row.size
      ? `is said to be kept ${row.storage_backend}, and is kept ${storage}`
      : `is said to have ${row.size} bytes, and has ${row.blob_size}`;
  check.report({
    rule: "R2",
    severity: "error",
    subject: row.path,
    message: `${row.path} (${row.book_id}) ${what}.`,
    hint: "Save the file again, or restore the store from a backup.",
  });
}

function checkFileId(check: Check, row: Row): void {
  try {
    parseFileId(row.file_id);
  } catch (error) {
    if (!(error instanceof PfsError)) throw error;
    report(check, row.path, `${row.path} (${row.book_id}) has no valid file id: ${error.message}`);
  }
}

function checkSharedIds(check: Check): void {
  const { database } = check.snapshot;
  const twice = database.prepare<[], { file_id: number; first: string; last: string }>(
    `SELECT file_id, min(path) AS first, max(path) AS last FROM file_journal GROUP BY file_id, user_id HAVING count(*) > 1`,
  );
  for (const { file_id, first, last } of twice.iterate())
    report(check, first, `${first} and ${last} have the same file id ${file_id}.`);
  const both = database.prepare<[], { path: string; name: string; file_id: number }>(
    `SELECT j.path, e.name, j.file_id FROM worktree_entry e
     JOIN file_journal j ON j.file_id = e.file_id AND j.user_id = e.user_id`,
  );
  for (const { path, name, file_id } of both.iterate())
    report(check, path, `${path} and ${name}, which is not in the book, have the same file id ${file_id}.`);
}

function report(check: Check, subject: string, message: string): void {
  const hint =
    "Copy the file, remove it, and put the copy in its place: that gives it an identity of its own.";
  check.report({ rule: "I1", severity: "error", subject, message, hint });
}
