/**
 * Owns writing whole bytes as the next version of one path, for whoever may name the version that it replaces: no mount
 * knows what a script has read. Must never lose the bytes of a write that is refused for another version (W2).
 */
import { PfsError } from "../../schema/errors.ts";
import { type BlobHash, newFileId } from "../../schema/ids.ts";
import { baseNameOf, parentOf, parseTreePath, type TreePath } from "../../schema/paths.ts";
import type { JournalRow } from "../journal.ts";
import { type Actor, FileType, isDirectory } from "../node.ts";
import type { StagedBytes } from "../staging.ts";
import { fromNanoseconds, now } from "../time.ts";
import { currentVersion } from "./current-version.ts";
import { keepRefused, resolvingHint } from "./keep-conflict.ts";
import { JournalMode } from "./node-rows.ts";
import { dropStaged, recordFiles, refuseMisfit, storeBytes } from "./record-files.ts";
import { findDirectory, settle } from "./remove.ts";
import type { Tree } from "./tree.ts";

export interface FileToWrite extends StagedBytes {
  /** In the book. */
  readonly path: string;
}

export interface WriteWishes {
  /** The version that is to be replaced; null: there is to be none; undefined: whatever there is. */
  readonly expect?: BlobHash | null | undefined;
  /** Makes it executable; otherwise that stays as it is. */
  readonly executable?: boolean | undefined;
}

export interface WrittenFile {
  readonly path: string;
  /** `unchanged`: it had these bytes, and has no new version. */
  readonly outcome: "created" | "updated" | "unchanged";
  readonly hash: BlobHash;
  /** What it had before; null: it is new. */
  readonly prev_hash: BlobHash | null;
}

/**
 * Makes `file` the path's current version, and the directories that are missing. Takes the staged bytes over, or away.
 * @throws PfsError CONFLICT, which tells the current hash: not the expected version; NOT_FOUND: a version is expected and
 *   there is no file; EXISTS: a directory or symbolic link is at the path; as recordFiles
 */
export function writeFile(tree: Tree, file: FileToWrite, wishes: WriteWishes, actor: Actor): WrittenFile {
  const { expect, executable = false } = wishes;
  const startedMs = performance.now();
  const { hash, sizeBytes, content } = file;
  const read = {
    path: file.path,
    type: "file",
    hash,
    sizeBytes,
    content,
    mode: 0o644,
    mtime: now(),
  } as const;
  try {
    refuseMisfit(tree, read, actor);
    const path = parseTreePath(file.path);
    // What was removed a moment ago is not there.
    if (tree.vacancies.has(path)) tree.store.transaction(() => settle(tree, path, startedMs));
    refuseOtherKind(tree, path);
    const found = currentVersion(tree, path);
    const present = found?.parent === null ? undefined : found;
    if (expect !== undefined && expect !== (present?.sha256 ?? null))
      refuseUnexpected(tree, { file, path, expect, present, actor, startedMs });
    const mode = executable ? JournalMode.executable : (present?.mode ?? JournalMode.file);
    const sameBytes = present?.sha256 === hash;
    // Only bytes that differ make a new time.
    const mtime = sameBytes ? fromNanoseconds(present.mtime) : read.mtime;
    const { unchanged } = recordFiles(tree, [{ ...read, mode, mtime }], [], actor);
    const outcome = unchanged > 0 ? "unchanged" : present === undefined ? "created" : "updated";
    return { path, outcome, hash, prev_hash: present?.sha256 ?? null };
  } finally {
    dropStaged(read);
  }
}

/** @throws PfsError EXISTS */
function refuseOtherKind(tree: Tree, path: TreePath): void {
  const parent = findDirectory(tree, parentOf(path));
  const node = parent === undefined ? undefined : tree.lookup(parent, baseNameOf(path));
  if (node === undefined || (node.mode & FileType.mask) === FileType.file) return;
  const what = isDirectory(node.mode) ? "a directory" : "a symbolic link, a fifo or a socket";
  throw new PfsError("EXISTS", `${path} is ${what} in the book; a file was to be written there.`, {
    path,
    hint: "Name another path, or remove what is there first.",
  });
}

interface Unexpected {
  readonly file: FileToWrite;
  readonly path: TreePath;
  readonly expect: BlobHash | null;
  readonly present: JournalRow | undefined;
  readonly actor: Actor;
  readonly startedMs: number;
}

function refuseUnexpected(tree: Tree, unexpected: Unexpected): never {
  const { file, path, expect, present, actor, startedMs } = unexpected;
  const hashes = { seen: expect, current: present?.sha256 ?? null };
  if (present === undefined) {
    const error = new PfsError("NOT_FOUND", `There is no ${path}; its version ${expect} was expected.`, {
      path,
      hint: "To write it all the same, expect it to be absent.",
      hashes,
    });
    return tree.refuse(error, { operation: "update", path, startedMs }, actor);
  }
  const message =
    expect === null
      ? `${path} was to be absent and is there: its hash is ${present.sha256}`
      : `${path} is not the version that was expected: its hash is ${present.sha256}`;
  // Nothing is lost.
  if (file.hash === present.sha256) {
    const hint = "It holds the very bytes that were to be written.";
    const error = new PfsError("CONFLICT", `${message}.`, { path, hint, hashes });
    return tree.refuse(error, { operation: "update", path, startedMs }, actor);
  }
  const explain = (id: number): PfsError =>
    new PfsError("CONFLICT", `${message} (conflict ${id}).`, { path, hint: resolvingHint(id), hashes });
  // A script that tries again and again is kept once.
  const kept = tree.conflicts.like({ path, mine: file.hash, theirs: present.sha256 });
  if (kept !== undefined) tree.refuse(explain(kept.id), { operation: "update", path, startedMs }, actor);
  const isKnown = expect !== null && tree.log.hasVersion(tree.book.bookId, path, expect);
  const error = keepRefused(tree, {
    path,
    fileId: newFileId(),
    base: isKnown && tree.blobs.has(expect) ? expect : null,
    mine: file.hash,
    size: file.sizeBytes,
    mode: 0o100644,
    mtime: now(),
    current: present,
    actor,
    startedMs,
    store: () => storeBytes(tree.blobs, file),
    explain,
  });
  tree.refusals.record(error, path, actor);
  throw error;
}
