/**
 * Owns how names go: unlink, rmdir, and the settling of vacated paths into deletes of the log. What is still open stays
 * readable and writable as an orphan, and is never saved.
 */
import { PosixError } from "../../schema/errors.ts";
import { type FileId, newFileId } from "../../schema/ids.ts";
import {
  baseNameOf,
  type DirectoryPath,
  parentOf,
  ROOT,
  segmentsOf,
  type TreePath,
} from "../../schema/paths.ts";
import type { JournalRow } from "../journal.ts";
import { type Actor, FileType, type Identity, isDirectory, type Node } from "../node.ts";
import { passStep } from "../step.ts";
import { compareTimes, now, type Time } from "../time.ts";
import type { Place } from "./create.ts";
import { listDirectory } from "./listing.ts";
import { attributesOf, type OpenFile } from "./open-file.ts";
import { beneathOf, dropOverlay, hideBeneath, logSeenBelow, refuseStructure } from "./overlay.ts";
import type { Tree } from "./tree.ts";
import { VACANCY_MS } from "./vacancies.ts";

/** How long a settling in slices may keep others waiting. */
const SETTLE_SLICE_MS = 20;

/** unlink(2). @throws PosixError ENOENT, EISDIR */
export function unlink(tree: Tree, place: Place, actor: Actor): Identity[] {
  const newborn = tree.newborn(place.parent, place.name);
  const node = newborn?.node() ?? tree.lookup(place.parent, place.name);
  if (node === undefined) throw new PosixError("ENOENT");
  if (isDirectory(node.mode)) throw new PosixError("EISDIR");
  const time = now();
  if (newborn !== undefined) {
    tree.removeNewborn(newborn);
    tree.touchLater(place.parent, time);
  } else if (node.tracked) {
    removeTracked(tree, place, node, actor, time);
  } else {
    tree.store.transaction(() => {
      removeLocal(tree, place, time);
      tree.touchDirectory(place.parent, time, actor);
    });
  }
  const identities = node.nlink > 1 ? [] : makeOrphan(tree, node, actor);
  tree.notify({ type: "entry", ...place }, actor);
  return identities;
}

/** In an overlay over a file of the base, that shows again at once, unless it is to be hidden. */
function removeTracked(tree: Tree, place: Place, node: Node, actor: Actor, time: Time): void {
  const startedMs = performance.now();
  const own =
    tree.shared === undefined || actor.hidesBase === true || tree.beneath(place) === undefined
      ? undefined
      : tree.journal.get(tree.pathOf(place.parent, place.name));
  if (own === undefined) {
    refuseStructure(tree, place, "delete", actor);
    vacate(tree, place, node, actor, time);
    return;
  }
  tree.store.transaction(() => {
    dropOverlay(tree, own, "delete", actor, startedMs);
    tree.touchDirectory(place.parent, time, actor);
  });
}

/** Takes a tracked file out of its directory; the journal keeps the row until the vacancy is settled. */
export function vacate(
  tree: Tree,
  place: Place,
  node: Node,
  actor: Actor,
  time: Time,
  scratchId?: FileId,
): void {
  const path = tree.pathOf(place.parent, place.name);
  tree.store.transaction(() => {
    tree.journal.vacate(path);
    tree.vacancies.add(path, time, actor, scratchId, actor.hidesBase);
    passStep("vacancy.written");
    tree.entries.forgetNode(node.fileId);
    tree.touchDirectory(place.parent, time, actor);
  });
}

/** Removes one name of scratch, a fifo or a socket, and its bytes with the last one. Only within a transaction. */
export function removeLocal(tree: Tree, place: Place, time: Time): void {
  const row = tree.entries.find(place.parent, place.name);
  if (row === undefined) throw new PosixError("ENOENT");
  const isLast = tree.entries.remove(row, time);
  if (!isLast) tree.store.afterCommit(() => tree.scratchFiles.touch(row.fileId));
  if (isLast && ((row.mode ?? 0) & FileType.mask) === FileType.file) {
    // Whoever has it open keeps the bytes through the descriptor, which must be there before the name goes.
    tree.openFiles.get(row.fileId)?.content();
    tree.store.afterCommit(() => tree.scratchFiles.remove(row.fileId));
  }
}

/**
 * What was just removed lives on for whoever has it open and for the kernel that knows it. A file that may come back
 * under its identity (a tracked one) hands it over and gets another.
 */
export function makeOrphan(tree: Tree, node: Node, actor: Actor): Identity[] {
  const file = tree.openFiles.get(node.fileId);
  const mayReturn = node.tracked || file?.state === "tracked";
  const orphanId = mayReturn ? newFileId() : node.fileId;
  const time = now();
  if (file !== undefined) orphanOpenFile(tree, file, node, { orphanId, time });
  if (actor.origin !== undefined) {
    tree.orphans.set(orphanId, {
      ...node,
      ctimeSeconds: time.seconds,
      ctimeNanoseconds: time.nanoseconds,
      fileId: orphanId,
      parent: 0 as FileId,
      name: "",
      nlink: 0,
      tracked: false,
    });
  }
  return orphanId === node.fileId ? [] : [{ from: node.fileId, to: orphanId }];
}

function orphanOpenFile(
  tree: Tree,
  file: OpenFile,
  node: Node,
  { orphanId, time }: { orphanId: FileId; time: Time },
): void {
  if (file.state === "scratch") file.attributes = attributesOf(node);
  // That it lost its last name is a change of it.
  file.attributes.ctime = time;
  tree.openFiles.delete(file.fileId);
  file.fileId = orphanId;
  file.state = "orphan";
  file.dirty = false;
  tree.openFiles.set(orphanId, file);
}

/** rmdir(2). @throws PosixError ENOENT, ENOTDIR, ENOTEMPTY */
export function removeDirectory(tree: Tree, place: Place, actor: Actor): void {
  const node = tree.lookup(place.parent, place.name);
  if (node === undefined) throw new PosixError("ENOENT");
  if (!isDirectory(node.mode)) throw new PosixError("ENOTDIR");
  if (!isEmpty(tree, node.fileId)) throw new PosixError("ENOTEMPTY");
  const startedMs = performance.now();
  const path = tree.pathOf(place.parent, place.name);
  const isOwn = tree.entries.find(place.parent, place.name) !== undefined;
  if (!isOwn) refuseStructure(tree, place, "delete", actor);
  const time = now();
  tree.store.transaction(() => {
    tree.above?.keepDirectory(node.fileId, path);
    // Whoever hid it hid this one, not what may come to its name.
    tree.above?.forgetHidden(place.parent, place.name);
    if (isOwn) removeLocal(tree, place, time);
    const beneath = actor.hidesBase === true ? tree.beneath(place) : undefined;
    if (beneath !== undefined) hideBeneath(tree, place, { row: beneath, seen: null }, null, actor, startedMs);
    else if (isOwn && tree.base !== undefined) {
      tree.forgetPaths();
      logSeenBelow(tree, path, actor, startedMs);
    }
    tree.touchDirectory(place.parent, time, actor, -1);
  });
  forgetDirectory(tree, node, actor);
  tree.notify({ type: "entry", ...place }, actor);
}

/** To be called after a directory's row is gone. */
export function forgetDirectory(tree: Tree, node: Node, actor: Actor): void {
  tree.forgetPaths();
  // Its removal may be a part of something larger that is undone as a whole.
  const forget = (): void => {
    tree.takeTouched(node.fileId);
    if (actor.origin !== undefined)
      tree.orphans.set(node.fileId, { ...node, parent: 0 as FileId, name: "", nlink: 0 });
  };
  if (tree.store.isWriting) tree.store.afterCommit(forget);
  else forget();
}

export function isEmpty(tree: Tree, directory: FileId): boolean {
  if (tree.shared === undefined) return !tree.newborns.has(directory) && !tree.entries.hasChildren(directory);
  let empty = true;
  listDirectory(tree, directory, 0, () => {
    empty = false;
    return false;
  });
  return empty;
}

/**
 * Turns paths that nobody wrote again into deletes of the log.
 * @param minimumAgeMs how long they must have waited; 0 for all
 * @param most how many at this call, oldest first; then also only for as long as others may wait
 * @returns how many were due, or `most` when there is more to do
 */
export function settleVacancies(
  tree: Tree,
  minimumAgeMs = VACANCY_MS,
  most = Number.MAX_SAFE_INTEGER,
): number {
  if (tree.vacancies.count === 0) return 0;
  const startedMs = performance.now();
  const until = minimumAgeMs === 0 ? { seconds: 2 ** 32, nanoseconds: 0 } : before(now(), minimumAgeMs);
  tree.store.read();
  const due = tree.vacancies.due(until, most);
  if (due.length === 0) return 0;
  let done = 0;
  tree.store.transaction(() => {
    for (const path of due) {
      settle(tree, path as TreePath, startedMs);
      done++;
      if (most !== Number.MAX_SAFE_INTEGER && performance.now() - startedMs > SETTLE_SLICE_MS) break;
    }
  });
  return done < due.length ? most : done;
}

/**
 * After a crash in the middle of an editor's backup dance the new version was never written: the path shows its last one
 * again, beside the backup. Only for a tree that nobody works on yet.
 */
export function restoreMovedAside(tree: Tree): void {
  const paths = tree.vacancies.count === 0 ? [] : tree.vacancies.movedAside();
  if (paths.length === 0) return;
  tree.store.transaction(() => {
    for (const path of paths) {
      const parent = findDirectory(tree, parentOf(path as TreePath));
      if (parent === undefined || tree.lookup(parent, baseNameOf(path as TreePath)) !== undefined) continue;
      tree.journal.restore(path, parent);
      tree.vacancies.remove(path);
    }
  });
}

/** The directory at a path; undefined where there is none. */
export function findDirectory(tree: Tree, path: DirectoryPath): FileId | undefined {
  let directory = tree.book.rootId;
  for (const name of path === ROOT ? [] : segmentsOf(path)) {
    const node = tree.lookup(directory, name);
    if (node === undefined || !isDirectory(node.mode)) return undefined;
    directory = node.fileId;
  }
  return directory;
}

/** Settles one vacated path now, on behalf of who removed the file. Only within a transaction. */
export function settle(tree: Tree, path: TreePath, startedMs: number): void {
  const vacancy = tree.vacancies.take(path);
  if (vacancy === undefined) return;
  const row = tree.journal.get(path);
  if (row === undefined ? tree.shared === undefined : row.parent !== null) return;
  const { actor, scratchId, hides } = vacancy;
  // A file being created there has taken the identity over and will be an update: it began with this version.
  if (isBeingCreated(tree, path)) {
    tree.vacancies.add(path, now(), actor, scratchId, hides);
    return;
  }
  // What the file was moved to is the only one that shows its bytes once this is durable.
  if (scratchId !== undefined) tree.scratchFiles.sync(scratchId);
  if (tree.shared !== undefined && settleOverBase(tree, path, row, { actor, hides, startedMs })) return;
  if (row === undefined) return;
  dropOverlay(tree, row, "delete", actor, startedMs);
  tree.above?.forgetHidden(findDirectory(tree, parentOf(path)), baseNameOf(path));
  tree.above?.forgetNode(row.fileId);
  passStep("vacancy.settled");
}

/** In an overlay over a file of the base: that is hidden, or shows again. False where the base has none. */
function settleOverBase(
  tree: Tree,
  path: TreePath,
  row: JournalRow | undefined,
  { actor, hides, startedMs }: { actor: Actor; hides: boolean; startedMs: number },
): boolean {
  // The directory may be hidden by now, too: `rm -r`.
  const parent = findDirectory(tree, parentOf(path)) ?? tree.base?.journal.get(path)?.parent ?? undefined;
  const place = parent === undefined ? undefined : { parent, name: baseNameOf(path) };
  const beneath = place === undefined ? undefined : tree.beneath(place);
  if (place === undefined || beneath === undefined) return false;
  // One row of the log says both, that the overlay's file is gone and that the base's does not show.
  const isBoth = hides && beneath !== "directory" && row?.fileId === beneath.fileId;
  if (isBoth && row !== undefined) tree.journal.remove(path);
  else if (row !== undefined) dropOverlay(tree, row, "delete", actor, startedMs);
  const prevHash = isBoth ? (row?.sha256 ?? null) : null;
  if (hides) hideBeneath(tree, place, beneathOf(beneath, row), prevHash, actor, startedMs);
  else tree.notify({ type: "entry", ...place }, undefined);
  passStep("vacancy.settled");
  return true;
}

/**
 * Settles what was removed at the names that lead to a new path, or below it: for the log a name is a file or a directory,
 * never both. Only within a transaction.
 */
export function settleAround(tree: Tree, path: TreePath, startedMs: number): void {
  if (tree.vacancies.count === 0) return;
  for (let above = parentOf(path); above !== ROOT; above = parentOf(above)) settle(tree, above, startedMs);
  for (const below of tree.vacancies.below(path)) settle(tree, below as TreePath, startedMs);
}

function isBeingCreated(tree: Tree, path: TreePath): boolean {
  for (const names of tree.newborns.values()) {
    for (const file of names.values()) {
      const directory = tree.paths.find(file.parent)?.path;
      if (directory === undefined) continue;
      if ((directory === ROOT ? file.name : `${directory}/${file.name}`) === path) return true;
    }
  }
  return false;
}

function before(time: Time, ms: number): Time {
  const nanoseconds = time.nanoseconds - (ms % 1000) * 1e6;
  const seconds = time.seconds - Math.floor(ms / 1000);
  const result =
    nanoseconds < 0 ? { seconds: seconds - 1, nanoseconds: nanoseconds + 1e9 } : { seconds, nanoseconds };
  return compareTimes(result, time) > 0 ? time : result;
}
