/**
 * Owns bringing files of a book back to what they were at a position of the log: a write like any other, all of it one
 * transaction. Must never touch what somebody has not saved.
 */
import { PfsError } from "../../schema/errors.ts";
import type { FileId, Seq } from "../../schema/ids.ts";
import { baseNameOf, isBelow, parentOf, parseTreePath, ROOT, type TreePath } from "../../schema/paths.ts";
import { shellWord } from "../../schema/shell-word.ts";
import type { ReadFile } from "../import.ts";
import type { JournalRow } from "../journal.ts";
import type { Actor } from "../node.ts";
import { PastFiles } from "../past/past-files.ts";
import type { BookFile } from "../reader.ts";
import { now } from "../time.ts";
import { deletePath } from "./delete-path.ts";
import { JournalMode } from "./node-rows.ts";
import { recordFiles } from "./record-files.ts";
import { findDirectory, isEmpty, removeDirectory } from "./remove.ts";
import type { Tree } from "./tree.ts";

/** `updated`: had other bytes or another mode; `recreated`: was not there; `removed`: was not there then. */
export type RestoreOutcome = "updated" | "recreated" | "removed" | "unchanged";

export interface RestoredFile {
  readonly path: string;
  readonly outcome: RestoreOutcome;
}

/** What is to be done for one of the paths that were asked for. */
interface Plan {
  readonly files: readonly BookFile[];
  readonly removed: readonly JournalRow[];
}

/**
 * Brings a file, or everything at and below a directory, back to its state at a position: bytes and executable bit; files
 * that were not there then are removed. The time of what is written is the present. "" is the whole book.
 * @returns every file that was or is there, sorted by path
 * @throws PfsError NOT_FOUND: nothing was there; CONFLICT: somebody has unsaved changes; EXISTS: something else is in the
 *   way; CORRUPT, FULL, INVALID_PATH. Then nothing has changed.
 */
export function restorePaths(tree: Tree, seq: Seq, paths: readonly string[], actor: Actor): RestoredFile[] {
  tree.store.read();
  const past = new PastFiles(tree.store.database, tree.book.bookId, tree.layer);
  const outcomes = new Map<string, RestoreOutcome>();
  const removed = new Map<string, JournalRow>();
  const written = new Map<string, BookFile>();
  for (const path of paths) {
    const plan = planOf(tree, past, seq, path);
    for (const row of plan.removed) removed.set(row.path, row);
    for (const file of plan.files) written.set(file.path, file);
  }
  for (const [path, row] of removed) {
    if (written.has(path)) removed.delete(path);
    else {
      refuseDraft(tree, path, row.fileId);
      outcomes.set(path, "removed");
    }
  }
  const files: BookFile[] = [];
  for (const [path, file] of written) {
    const row = tree.journal.get(path);
    const outcome = outcomeOf(row, file);
    outcomes.set(path, outcome);
    if (outcome === "unchanged") continue;
    refuseDraft(tree, path, row?.fileId);
    // Read and verified before anything is changed.
    tree.openBlob(file.sha256, path).close();
    files.push(file);
  }
  tree.store.transaction(() => {
    for (const path of removed.keys()) deletePath(tree, path as TreePath, actor);
    const time = now();
    const read = files.map((file) => storedFile(file, time));
    recordFiles(tree, read, [], actor);
  });
  for (const path of removed.keys()) removeEmptied(tree, path as TreePath, paths, actor);
  return [...outcomes].map(([path, outcome]) => ({ path, outcome })).sort((a, b) => compare(a.path, b.path));
}

function planOf(tree: Tree, past: PastFiles, seq: Seq, path: string): Plan {
  const { bookId } = tree.book;
  if (path !== ROOT) parseTreePath(path);
  const files = [...past.filesOf(path, seq)];
  if (files.length === 0) {
    throw new PfsError("NOT_FOUND", `There was no ${path || "file"} in ${bookId} at position ${seq}.`, {
      path,
      hint: `\`pfs log ${bookId} ${shellWord(path)}\` tells its history; paths are relative to the book's root.`,
    });
  }
  const present = [path === ROOT ? undefined : tree.journal.get(path), ...tree.journal.below(path)];
  return {
    files,
    removed: present.filter((row) => row !== undefined).filter((row) => row.parent !== null),
  };
}

function outcomeOf(row: JournalRow | undefined, file: BookFile): RestoreOutcome {
  if (row === undefined || row.parent === null) return "recreated";
  return row.sha256 === file.sha256 && row.mode === file.mode ? "unchanged" : "updated";
}

/** Also where a file is being made that was never saved. @throws PfsError CONFLICT */
function refuseDraft(tree: Tree, path: string, fileId: FileId | undefined): void {
  const open = fileId === undefined ? undefined : tree.openFiles.get(fileId);
  const parent = findDirectory(tree, parentOf(path as TreePath));
  const newborn = parent === undefined ? undefined : tree.newborn(parent, baseNameOf(path as TreePath));
  if (newborn === undefined && open?.dirty !== true) return;
  throw new PfsError("CONFLICT", `Somebody is writing ${path}, and has not saved it yet.`, {
    path,
    hint: "Nothing was restored. Save or close it in the program that has it open, then try again.",
  });
}

function storedFile(file: BookFile, mtime: ReadFile["mtime"]): ReadFile {
  const { path, sha256, sizeBytes, mode, fileId } = file;
  const type = mode === JournalMode.symlink ? "symlink" : "file";
  return { path, type, hash: sha256, sizeBytes, mode, mtime, content: { stored: true, fileId } };
}

/** Takes away the directories below what was asked for that removing a file has left empty. */
function removeEmptied(tree: Tree, path: TreePath, asked: readonly string[], actor: Actor): void {
  for (let directory = parentOf(path); directory !== ROOT; directory = parentOf(directory)) {
    const top = directory;
    if (!asked.some((each) => each === ROOT || isBelow(top, each as TreePath))) return;
    const fileId = findDirectory(tree, directory);
    if (fileId === undefined || !isEmpty(tree, fileId)) return;
    const parent = findDirectory(tree, parentOf(directory));
    if (parent !== undefined) removeDirectory(tree, { parent, name: baseNameOf(directory) }, actor);
  }
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
