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
import { type Actor, FileType, type Identity, isDirectory, type Node } from "../node.ts";
import { passStep } from "../step.ts";
import { compareTimes, now, type Time } from "../time.ts";
import type { Place } from "./create.ts";
import { attributesOf, type OpenFile } from "./open-file.ts";
import type { Tree } from "./tree.ts";
import { VACANCY_MS } from "./vacancies.ts";

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
    vacate(tree, place, node, actor, time);
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
    tree.vacancies.add(path, time, actor, scratchId);
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
  const time = now();
  tree.store.transaction(() => {
    removeLocal(tree, place, time);
    tree.touchDirectory(place.parent, time, actor, -1);
  });
  forgetDirectory(tree, node, actor);
  tree.notify({ type: "entry", ...place }, actor);
}

/** To be called after a directory's row is gone. */
export function forgetDirectory(tree: Tree, node: Node, actor: Actor): void {
  tree.paths.forgetAll();
  tree.takeTouched(node.fileId);
  if (actor.origin !== undefined)
    tree.orphans.set(node.fileId, { ...node, parent: 0 as FileId, name: "", nlink: 0 });
}

export function isEmpty(tree: Tree, directory: FileId): boolean {
  return !tree.newborns.has(directory) && !tree.entries.hasChildren(directory);
}

/**
 * Turns paths that nobody wrote again into deletes of the log.
 * @param minimumAgeMs how long they must have waited; 0 for all
 * @param most how many at this call, oldest first
 * @returns how many were due
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
  tree.store.transaction(() => {
    for (const path of due) settle(tree, path as TreePath, startedMs);
  });
  return due.length;
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
  const row = tree.journal.get(path);
  if (vacancy === undefined || row === undefined || row.parent !== null) return;
  const { actor, scratchId } = vacancy;
  // A file being created there has taken the identity over and will be an update: it began with this version.
  if (isBeingCreated(tree, path)) {
    tree.vacancies.add(path, now(), actor, scratchId);
    return;
  }
  tree.journal.remove(path);
  tree.log.append(
    {
      operation: "delete",
      bookId: tree.book.bookId,
      path,
      userId: tree.layer,
      prevHash: row.sha256,
      newHash: null,
      startedMs,
      fileId: row.fileId,
    },
    actor,
  );
  passStep("vacancy.settled");
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
