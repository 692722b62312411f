/**
 * Owns ending a conflict (W2): with one of its versions, or by giving up what was refused. Must never end one on grounds
 * that have changed since it was looked at.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";
import type { Conflict, ConflictChoice, ConflictOutcome } from "../conflict-table.ts";
import type { ReadFile } from "../import.ts";
import type { JournalRow } from "../journal.ts";
import { type Actor, FileType } from "../node.ts";
import { fromNanoseconds, now } from "../time.ts";
import { currentVersion } from "./current-version.ts";
import { mergeBlobs } from "./keep-conflict.ts";
import { recordFiles } from "./record-files.ts";
import { logRefusal } from "./refusal-log.ts";
import type { Tree } from "./tree.ts";

/** What the path has after a conflict was resolved. */
export interface Resolution {
  readonly path: string;
  /** Null: no file. */
  readonly hash: BlobHash | null;
}

/**
 * Makes one version of a conflict the path's current one, by an ordinary logged save, and ends the conflict.
 * @throws PfsError NOT_FOUND: no such conflict; CONFLICT: the path has changed since it was compared, and now was compared
 *   anew; NOT_PERMITTED: it does not merge
 */
export function resolveConflict(tree: Tree, id: number, choice: ConflictChoice, actor: Actor): Resolution {
  const startedMs = performance.now();
  const conflict = findConflict(tree, id);
  const { path } = conflict;
  const current = currentVersion(tree, path);
  if ((current?.sha256 ?? null) !== conflict.theirs) {
    compareAnew(tree, conflict, current);
    const error = new PfsError("CONFLICT", `${path} was changed again after conflict ${id} was found.`, {
      path,
      hint: `Look at .pfs/conflicts/${id} again: \`theirs\` and \`merged\` are of the current version now. Then resolve it.`,
    });
    tree.refuse(error, { operation: conflict.operation, path, startedMs }, actor);
  }
  if (choice === "theirs") {
    endConflict(tree, conflict, "theirs", actor);
    return { path, hash: conflict.theirs };
  }
  const file = choice === "mine" ? mineOf(conflict) : mergedOf(tree, conflict, current);
  if (file === undefined) {
    throw new PfsError("NOT_PERMITTED", `The versions of conflict ${id} do not merge by themselves.`, {
      path,
      hint: "Take --mine or --theirs, or put together by hand what is to stay and remove the conflict's folder.",
    });
  }
  tree.store.transaction(() => {
    recordFiles(tree, [file], [], actor);
    tree.conflicts.change((table) => table.end(id, choice));
  });
  tree.conflicts.show(conflict);
  return { path, hash: file.hash };
}

/** rmdir(2) of a conflict's folder: whatever was to be kept of it has been. @throws PfsError NOT_FOUND */
export function removeConflict(tree: Tree, id: number, actor: Actor): void {
  endConflict(tree, findConflict(tree, id), "removed", actor);
}

/** Bytes that no row of the log has are given up with a row that says so. */
function endConflict(tree: Tree, conflict: Conflict, outcome: ConflictOutcome, actor: Actor): void {
  const { id, path, mine, operation } = conflict;
  const startedMs = performance.now();
  tree.store.transaction(() => {
    tree.conflicts.change((table) => table.end(id, outcome));
    if (tree.log.hasVersion(tree.book.bookId, path, mine)) return;
    const error = new PfsError("CONFLICT", `What was refused as conflict ${id} was given up.`, { path });
    logRefusal(tree, error, { operation, path, startedMs }, actor);
  });
  tree.conflicts.show(conflict);
}

/**
 * A save that was refused, as nobody knew that the shared log had taken it, has come back from there: what its conflict kept is
 * a version of the path now, whatever came after it. Only within a transaction.
 */
export function endTakenConflict(tree: Tree, save: Pick<Conflict, "path" | "mine" | "base" | "mtime">): void {
  for (const conflict of tree.conflicts.carriedBy(save)) {
    tree.conflicts.change((table) => table.end(conflict.id, "mine"));
    tree.store.afterCommit(() => tree.conflicts.show(conflict));
  }
}

function findConflict(tree: Tree, id: number): Conflict {
  const conflict = tree.conflicts.get(id);
  if (conflict !== undefined) return conflict;
  throw noConflict(id);
}

/** The refusal for an id that no open conflict has. */
export function noConflict(id: number): PfsError {
  return new PfsError("NOT_FOUND", `There is no open conflict ${id}.`, {
    hint: "`pfs conflicts` lists them.",
  });
}

function compareAnew(tree: Tree, conflict: Conflict, current: JournalRow | undefined): void {
  const sides = { ...conflict, theirs: current?.sha256 ?? null };
  tree.store.transaction(() => {
    const merged = mergeBlobs(tree, conflict.path, sides, current);
    tree.conflicts.change((table) => table.compare(conflict.id, sides.theirs, merged));
  });
  tree.conflicts.show(conflict);
}

function mineOf({ path, mine, size, mode, mtime }: Conflict): ReadFile {
  const time = fromNanoseconds(BigInt(mtime));
  const type = (mode & FileType.mask) === FileType.symlink ? "symlink" : "file";
  return { path, type, hash: mine, sizeBytes: size, mode, mtime: time, content: { stored: true } };
}

function mergedOf(tree: Tree, conflict: Conflict, current: JournalRow | undefined): ReadFile | undefined {
  const { id, path, merged } = conflict;
  const bytes = tree.conflicts.mergedOf(id);
  if (merged === null || bytes === undefined) return undefined;
  const mode = current?.mode ?? conflict.mode;
  return {
    path,
    type: "file",
    hash: merged,
    sizeBytes: bytes.byteLength,
    mode,
    mtime: now(),
    content: { bytes },
  };
}
