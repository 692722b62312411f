/**
 * Owns moves within the book: a file, a whole directory, two that change places. Each file keeps its file id and its
 * history; in the log each is two rows, from and to. All of one rename is one transaction.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash, FileId } from "../../schema/ids.ts";
import { isBelow, type TreePath } from "../../schema/paths.ts";
import type { JournalRow } from "../journal.ts";
import { type Actor, type Identity, isDirectory, type Node } from "../node.ts";
import { now, type Time, toNanoseconds } from "../time.ts";
import type { Place } from "./create.ts";
import { JournalMode } from "./node-rows.ts";
import type { OpenFile } from "./open-file.ts";
import { dropOverlay, hideBeneath, refuseStructure, takeForMove } from "./overlay.ts";
import type { BaseMove } from "./overlays-above.ts";
import { removeLocal, settle, settleAround, settleVacancies } from "./remove.ts";
import { commitOpen, dropReplaced, placeOpenFile, type Rename } from "./rename.ts";
import { commitOver } from "./rename-border.ts";
import type { Tree } from "./tree.ts";

/** What is asked of a file before it is moved. */
interface Placed {
  readonly path: string;
  readonly sha256: BlobHash | null;
  readonly fileId: FileId;
  readonly mode: number;
}

interface Move {
  readonly row: JournalRow;
  readonly to: TreePath;
  /** Directory that holds it afterwards. */
  readonly parent: FileId;
  /** Of a file that is renamed itself, rather than a directory above it. */
  readonly ctime?: Time;
}

/** Moves a tracked file to a valid name. */
export function moveTracked(tree: Tree, rename: Rename, actor: Actor): Identity[] {
  const { from, to, source } = rename;
  const startedMs = performance.now();
  refuseStructure(tree, from, "rename", actor);
  commitOpen(tree, from, actor);
  const time = now();
  const path = tree.pathOf(from.parent, from.name);
  const newborn = tree.newborn(to.parent, to.name);
  tree.store.transaction(() => {
    const beneath = takeForMove(tree, from, source, actor, startedMs);
    letOverlaysFollow(tree, [baseMove(tree, source, from, to)], actor, startedMs);
    if (newborn !== undefined) {
      tree.removeNewborn(newborn);
      tree.store.afterRollback(() => tree.addNewborn(newborn));
    }
    const row = tree.journal.get(path) as JournalRow;
    if (rename.replaced !== undefined && newborn === undefined && !rename.replaced.tracked)
      removeLocal(tree, to, time);
    const move = { row, to: tree.pathOf(to.parent, to.name), parent: to.parent, ctime: time };
    applyMoves(tree, [move], actor, startedMs);
    if (beneath !== undefined) hideBeneath(tree, from, beneath, null, actor, startedMs);
    tree.touchDirectory(from.parent, time, actor);
    tree.touchDirectory(to.parent, time, actor);
  });
  const identities = rename.replaced === undefined ? [] : dropReplaced(tree, rename.replaced, actor);
  placeOpenFile(tree, source.fileId, to, time);
  return identities;
}

/** Moves a file that was never saved: over nothing it just gets another name, over a file it is a save of that file. */
export function moveNewborn(tree: Tree, rename: Rename, file: OpenFile, actor: Actor): Identity[] {
  const { from, to, replaced } = rename;
  const vacated = tree.vacatedVersion(to);
  const replacedNewborn = tree.newborn(to.parent, to.name);
  if (
    vacated !== undefined ||
    (replaced !== undefined && replacedNewborn === undefined) ||
    file.hash !== null
  ) {
    return commitOver(tree, rename, file, actor);
  }
  const time = now();
  tree.removeNewborn(file);
  const identities = replaced === undefined ? [] : dropReplaced(tree, replaced, actor);
  if (replacedNewborn !== undefined) tree.removeNewborn(replacedNewborn);
  file.parent = to.parent;
  file.name = to.name;
  tree.addNewborn(file);
  tree.touchLater(from.parent, time);
  tree.touchLater(to.parent, time);
  return identities;
}

/** Moves a directory of the book with everything in it. @throws PfsError SCHEMA_VIOLATION for the first that may not be there */
export function moveDirectory(tree: Tree, rename: Rename, actor: Actor): Identity[] {
  const { from, to, source, replaced } = rename;
  const startedMs = performance.now();
  const oldPath = tree.pathOf(from.parent, from.name);
  const newPath = tree.pathOf(to.parent, to.name);
  refuseStructure(tree, from, "rename", actor);
  if (replaced !== undefined) refuseStructure(tree, to, "rename", actor);
  prepareMove(tree, source, oldPath, newPath, actor, startedMs);
  const time = now();
  tree.store.transaction(() => {
    const beneath = takeForMove(tree, from, source, actor, startedMs);
    if (replaced !== undefined) tree.above?.keepDirectory(replaced.fileId, newPath);
    letOverlaysFollow(tree, [baseMove(tree, source, from, to)], actor, startedMs);
    const rows = rowsOf(tree, source, oldPath);
    if (tree.entries.find(to.parent, to.name) !== undefined) removeLocal(tree, to, time);
    moveEntry(tree, from, to);
    tree.entries.setAttributes(source.fileId, { ctime: time });
    applyMoves(
      tree,
      rows.map((row) => below(row, oldPath, newPath)),
      actor,
      startedMs,
    );
    if (beneath !== undefined) hideBeneath(tree, from, beneath, null, actor, startedMs);
    tree.touchDirectory(from.parent, time, actor, -1);
    tree.touchDirectory(to.parent, time, actor, replaced === undefined ? 1 : 0);
  });
  tree.forgetPaths();
  return replaced === undefined ? [] : dropReplaced(tree, replaced, actor);
}

/** Two names of the book change places: files, directories, or one of each. */
export function exchangeTracked(tree: Tree, rename: Rename & { replaced: Node }, actor: Actor): Identity[] {
  const { from, to, source, replaced } = rename;
  const startedMs = performance.now();
  const fromPath = tree.pathOf(from.parent, from.name);
  const toPath = tree.pathOf(to.parent, to.name);
  for (const place of [from, to]) refuseStructure(tree, place, "rename", actor);
  prepareMove(tree, source, fromPath, toPath, actor, startedMs);
  prepareMove(tree, replaced, toPath, fromPath, actor, startedMs);
  const time = now();
  const links = Number(isDirectory(replaced.mode)) - Number(isDirectory(source.mode));
  tree.store.transaction(() => {
    const beneathFrom = takeForMove(tree, from, source, actor, startedMs);
    const beneathTo = takeForMove(tree, to, replaced, actor, startedMs);
    const exchanged = [baseMove(tree, source, from, to), baseMove(tree, replaced, to, from)];
    letOverlaysFollow(tree, exchanged, actor, startedMs);
    const forth = rowsOf(tree, source, fromPath);
    const back = rowsOf(tree, replaced, toPath);
    const moves = [
      ...forth.map((row) => moved(row, source, fromPath, toPath, { parent: to.parent, ctime: time })),
      ...back.map((row) => moved(row, replaced, toPath, fromPath, { parent: from.parent, ctime: time })),
    ];
    exchangeEntries(tree, from, to);
    applyMoves(tree, moves, actor, startedMs, () => {
      // Neither is to show again under its old name when the one that has come there goes.
      if (beneathFrom !== undefined) hideBeneath(tree, from, beneathFrom, null, actor, startedMs);
      if (beneathTo !== undefined) hideBeneath(tree, to, beneathTo, null, actor, startedMs);
    });
    tree.touchDirectory(from.parent, time, actor, links);
    tree.touchDirectory(to.parent, time, actor, -links);
  });
  tree.forgetPaths();
  placeOpenFile(tree, source.fileId, to, time);
  placeOpenFile(tree, replaced.fileId, from, time);
  return [];
}

/**
 * Moves files of the book to names that are free, or that other ones of them leave: two may change places, more may go round.
 * Only within a transaction. @throws PfsError SCHEMA_VIOLATION for the first that may not be there
 */
export function moveFiles(tree: Tree, renames: readonly Pick<Rename, "from" | "to">[], actor: Actor): void {
  const startedMs = performance.now();
  const time = now();
  const moves = renames.map(({ from, to }) => {
    const source = tree.lookup(from.parent, from.name) as Node;
    const move = baseMove(tree, source, from, to);
    prepareMove(tree, source, move.oldPath, move.newPath, actor, startedMs);
    return move;
  });
  letOverlaysFollow(tree, moves, actor, startedMs);
  const rows = moves.map(({ oldPath, newPath, to }) => {
    const row = tree.journal.get(oldPath) as JournalRow;
    return { row, to: newPath, parent: to.parent, ctime: time };
  });
  applyMoves(tree, rows, actor, startedMs);
  for (const { from, to, fileId } of moves) {
    for (const place of [from, to]) {
      tree.touchDirectory(place.parent, time, actor);
      tree.notify({ type: "entry", ...place }, actor);
    }
    placeOpenFile(tree, fileId, to, time);
  }
}

/** Overlays over this base keep their versions of what moves. Only within a transaction, before the rows move. */
function letOverlaysFollow(tree: Tree, moves: readonly BaseMove[], actor: Actor, startedMs: number): void {
  if (tree.above === undefined) return;
  for (const overlay of tree.overlays) settleVacancies(overlay, 0);
  tree.above.follow(moves, actor, startedMs);
}

function baseMove(tree: Tree, node: Node, from: Place, to: Place): BaseMove {
  const oldPath = tree.pathOf(from.parent, from.name);
  const newPath = tree.pathOf(to.parent, to.name);
  return { fileId: node.fileId, isDirectory: isDirectory(node.mode), from, to, oldPath, newPath };
}

/**
 * Makes sure that all that a move takes along may be at its new place. Files that took over a vacated path and were never
 * saved are saved now: the path stays behind.
 */
function prepareMove(
  tree: Tree,
  node: Node,
  oldPath: TreePath,
  newPath: TreePath,
  actor: Actor,
  startedMs: number,
): void {
  const newborns = isDirectory(node.mode) ? newbornsBelow(tree, oldPath) : [];
  const placed = [...rowsOf(tree, node, oldPath), ...sharedBelow(tree, node, oldPath), ...newborns];
  refuseMisplaced(tree, placed, oldPath, newPath, actor, startedMs);
  for (const { file } of newborns) if (file.hash !== null) file.commit(actor, { durable: false });
}

/** In an overlay: the base's files in a directory, which are about to be its own. */
function sharedBelow(tree: Tree, node: Node, path: TreePath): Placed[] {
  if (tree.base === undefined || !isDirectory(node.mode) || tree.paths.get(node.fileId).own) return [];
  return tree.base.journal.below(path);
}

function newbornsBelow(tree: Tree, directory: TreePath): (Placed & { file: OpenFile })[] {
  const found = [];
  for (const [parent, files] of tree.newborns) {
    const place = tree.paths.find(parent)?.path;
    if (place === undefined || (place !== directory && !isBelow(place, directory))) continue;
    for (const file of files.values()) {
      found.push({ path: file.path(), sha256: null, fileId: file.fileId, mode: JournalMode.file, file });
    }
  }
  return found;
}

function rowsOf(tree: Tree, node: Node, path: TreePath): JournalRow[] {
  if (isDirectory(node.mode)) return tree.journal.below(path).filter((row) => row.parent !== null);
  // Fifos and sockets have no row, but their path may still have one that was vacated.
  const row = node.tracked ? tree.journal.get(path) : undefined;
  return row === undefined ? [] : [row];
}

function moved(
  row: JournalRow,
  top: Node,
  from: TreePath,
  to: TreePath,
  place: { parent: FileId; ctime: Time },
): Move {
  return isDirectory(top.mode) ? below(row, from, to) : { row, to, ...place };
}

function below(row: JournalRow, oldPath: string, newPath: string): Move {
  return { row, to: `${newPath}${row.path.slice(oldPath.length)}` as TreePath, parent: row.parent as FileId };
}

/** Directories at either name change places; files of the book have no entry. */
function exchangeEntries(tree: Tree, from: Place, to: Place): void {
  const a = tree.entries.find(from.parent, from.name);
  const b = tree.entries.find(to.parent, to.name);
  const aside = `\u0000${from.name}`;
  if (a !== undefined) tree.entries.move(a, to.parent, aside);
  if (b !== undefined) tree.entries.move(b, from.parent, from.name);
  if (a !== undefined) tree.entries.move({ ...a, parent: to.parent, name: aside }, to.parent, to.name);
}

function moveEntry(tree: Tree, from: Place, to: Place): void {
  const row = tree.entries.find(from.parent, from.name);
  if (row !== undefined) tree.entries.move(row, to.parent, to.name);
}

/** Rewrites journal rows under their new paths and logs them; `between`: when they have no path. Only within a transaction. */
function applyMoves(
  tree: Tree,
  moves: readonly Move[],
  actor: Actor,
  startedMs: number,
  between?: () => void,
): void {
  const { bookId } = tree.book;
  const shared = { operation: "rename", bookId, userId: tree.layer, startedMs } as const;
  for (const { row } of moves) {
    tree.journal.remove(row.path);
    tree.log.append(
      { ...shared, path: row.path, prevHash: row.sha256, newHash: null, fileId: row.fileId },
      actor,
    );
  }
  between?.();
  for (const { row, to, parent, ctime } of moves) {
    const occupant = tree.journal.get(to);
    const replaced = occupant === undefined ? null : replaceOccupant(tree, occupant, to, actor, startedMs);
    // In an overlay the base's file may wait there.
    if (occupant === undefined && tree.vacancies.has(to)) settle(tree, to, startedMs);
    settleAround(tree, to, startedMs);
    const writtenAt = ctime === undefined ? row.writtenAt : toNanoseconds(ctime);
    tree.journal.insert({ ...row, path: to, parent, writtenAt });
    tree.log.append(
      {
        ...shared,
        path: to,
        prevPath: row.path,
        prevHash: replaced,
        newHash: row.sha256,
        fileId: row.fileId,
        size: row.size,
        mode: row.mode,
        mtime: row.mtime.toString(),
        base: row.base,
      },
      actor,
    );
  }
}

/** A vacated path is settled first: another file comes there, not the old one. Returns the hash that is replaced in the log. */
function replaceOccupant(
  tree: Tree,
  occupant: JournalRow,
  path: TreePath,
  actor: Actor,
  startedMs: number,
): BlobHash | null {
  if (occupant.parent === null) {
    settle(tree, path, startedMs);
    return null;
  }
  if (tree.base?.journal.find(occupant.fileId) !== undefined) {
    // What becomes of the base's file has a row of its own: it may show again elsewhere.
    dropOverlay(tree, occupant, "delete", actor, startedMs);
    return null;
  }
  tree.journal.remove(path);
  tree.entries.forgetNode(occupant.fileId);
  tree.above?.forgetNode(occupant.fileId);
  return occupant.sha256;
}

function refuseMisplaced(
  tree: Tree,
  rows: readonly Placed[],
  oldPath: string,
  newPath: string,
  actor: Actor,
  startedMs: number,
): void {
  const { profile } = tree.book;
  for (const row of rows) {
    const path = `${newPath}${row.path.slice(oldPath.length)}` as TreePath;
    if (profile.matchesFile(path) && (profile.symlinks || row.mode !== JournalMode.symlink)) continue;
    const error = new PfsError(
      "SCHEMA_VIOLATION",
      `${path} would have no place in the book: ${profile.explain(path)}`,
      {
        path,
        hint: `Nothing was renamed. The profile of this book is ${profile.name}.`,
      },
    );
    tree.refuse(error, { operation: "rename", path: row.path, startedMs }, actor);
  }
}
