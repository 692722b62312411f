/**
 * Owns reverting an overlay: what a user has changed, added or hidden goes, and the base shows again (FR-019). Must never
 * touch what somebody has not saved, nor scratch.
 */
import { PfsError } from "../../schema/errors.ts";
import type { FileId } from "../../schema/ids.ts";
import {
  baseNameOf,
  isBelow,
  parentOf,
  parseTreePath,
  ROOT,
  segmentsOf,
  type TreePath,
} from "../../schema/paths.ts";
import type { JournalRow } from "../journal.ts";
import type { Actor, Node } from "../node.ts";
import { now } from "../time.ts";
import type { Place } from "./create.ts";
import { followFile } from "./follow-base.ts";
import { dropOverlay, logAway, logSeenBelow } from "./overlay.ts";
import { type Reappearance, reappear } from "./reappear.ts";
import { findDirectory, isEmpty, makeOrphan, removeDirectory, settleVacancies } from "./remove.ts";
import type { Tree } from "./tree.ts";

/** What the overlay had: another version of the base's file, a file of its own, a whiteout, a directory of its own. */
export type RevertedState = "changed" | "added" | "hidden" | "directory";

export interface RevertedPath {
  readonly path: string;
  readonly was: RevertedState;
}

/**
 * Reverts files, and everything at and below directories; "" is the whole overlay.
 * @returns what was reverted, sorted by path; nothing where the overlay has nothing
 * @throws PfsError, and nothing has changed: CONFLICT: somebody has unsaved changes there; NOT_PERMITTED: a directory that has
 *   to show again for it cannot, as the user has something else at its name; INVALID_PATH; USAGE: of the base
 */
export function revertPaths(tree: Tree, paths: readonly string[], actor: Actor): RevertedPath[] {
  const { base } = tree;
  if (base === undefined) {
    throw new PfsError("USAGE", "The base of a book has nothing beneath it to revert to.", {
      hint: "Name a user, or a path in a user's mount; `pfs restore` brings back old versions of the base.",
    });
  }
  for (const path of paths) if (path !== ROOT) parseTreePath(path);
  const startedMs = performance.now();
  settleVacancies(tree, 0);
  const isAsked = (path: string): boolean =>
    paths.some((asked) => asked === path || isBelow(path, asked as TreePath | typeof ROOT));
  const rows = ownRows(tree, paths);
  for (const row of rows) refuseDraft(tree, row);
  const nodes = rows.map(({ fileId }) => tree.get(fileId) as Node);
  const reverted: RevertedPath[] = [];
  tree.store.transaction(() => {
    for (const row of rows) reverted.push({ path: row.path, was: revertFile(tree, row, actor, startedMs) });
    const files = new Set<string>(rows.map(({ path }) => path));
    for (const place of tree.entries.hidden()) {
      const path = hiddenPath(tree, place);
      if (path === undefined || !isAsked(path)) continue;
      revertWhiteout(tree, place, path, actor, startedMs);
      if (!files.has(path)) reverted.push({ path, was: "hidden" });
    }
    const dropped = dropOwnDirectories(tree, isAsked, actor);
    for (const { path } of dropped) reverted.push({ path, was: "directory" });
    const returning = new Set([...rows, ...dropped].map(({ fileId }) => fileId));
    const parts = { tree, base, actor, startedMs, returning };
    for (const { fileId } of dropped) reappear(parts, fileId);
    for (const { fileId } of rows) showAgain(parts, fileId);
    for (const path of seenAgain(tree, base, reverted, dropped)) logSeenBelow(tree, path, actor, startedMs);
  });
  for (const node of nodes) showBase(tree, node, withoutOrigin(actor));
  return reverted.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

/** Directories that show again: names that were hidden, or the user's own, and where the base has what the user had moved. */
function seenAgain(
  tree: Tree,
  base: Tree,
  reverted: readonly RevertedPath[],
  dropped: readonly DroppedDirectory[],
): Set<TreePath> {
  const names = reverted.flatMap(({ path, was }) => (was === "hidden" ? [path as TreePath] : []));
  const moved = dropped.flatMap(({ fileId }) => base.paths.find(fileId)?.path ?? []);
  return new Set(
    [...names, ...(moved as TreePath[])].filter((path) => findDirectory(tree, path) !== undefined),
  );
}

/** The overlay's files at and below the paths, each once. */
function ownRows(tree: Tree, paths: readonly string[]): JournalRow[] {
  const rows = new Map<string, JournalRow>();
  for (const path of paths) {
    const row = path === ROOT ? undefined : tree.journal.get(path);
    for (const each of [...(row === undefined ? [] : [row]), ...tree.journal.below(path)])
      rows.set(each.path, each);
  }
  return [...rows.values()];
}

/** @throws PfsError CONFLICT */
function refuseDraft(tree: Tree, { path, fileId }: JournalRow): void {
  if (tree.openFiles.get(fileId)?.dirty !== true) return;
  throw new PfsError("CONFLICT", `Somebody is writing ${path}, and has not saved it yet.`, {
    path,
    hint: "Nothing was reverted. Save or close it in the program that has it open, then try again.",
  });
}

/** Undefined for a whiteout in another book, or in a directory that is gone. */
export function hiddenPath(tree: Tree, { parent, name }: Place): TreePath | undefined {
  return tree.paths.find(parent) === undefined ? undefined : tree.pathOf(parent, name);
}

/** To be called after the overlay's own file of that name is gone: the log says of each of the two that it is reverted. */
function revertWhiteout(tree: Tree, place: Place, path: string, actor: Actor, startedMs: number): void {
  tree.entries.unhide(place.parent, place.name);
  tree.notify({ type: "entry", ...place }, actor);
  const beneath = tree.beneath(place);
  tree.touchDirectory(place.parent, now(), actor);
  if (beneath !== undefined && beneath !== "directory")
    logAway(tree, path, { operation: "revert", prevHash: null, fileId: beneath.fileId }, actor, startedMs);
}

function revertFile(tree: Tree, row: JournalRow, actor: Actor, startedMs: number): RevertedState {
  const parent = row.parent as FileId;
  dropOverlay(tree, row, "revert", actor, startedMs);
  tree.touchDirectory(parent, now(), actor);
  tree.notify({ type: "entry", parent, name: baseNameOf(row.path as TreePath) }, actor);
  tree.notify({ type: "content", fileId: row.fileId }, actor);
  return tree.base?.journal.find(row.fileId) === undefined ? "added" : "changed";
}

/** A file of the base that the overlay had moved, or whose directory, is where the base has it. */
function showAgain(parts: Reappearance, fileId: FileId): void {
  const { tree, base, actor, startedMs } = parts;
  const origin = base.journal.find(fileId);
  if (origin === undefined || origin.parent === null) return;
  const path = origin.path as TreePath;
  const place = { parent: origin.parent, name: baseNameOf(path) };
  reappear(parts, place.parent);
  if (!tree.entries.unhide(place.parent, place.name)) return;
  if (tree.journal.get(path) === undefined)
    logAway(tree, path, { operation: "revert", prevHash: null, fileId }, actor, startedMs);
  tree.notify({ type: "entry", ...place }, actor);
}

/** Whoever has a reverted file open sees the base's version, or, where there is none, keeps what is gone. */
export function showBase(tree: Tree, node: Node, actor: Actor): void {
  const row = tree.tracked(node.fileId);
  if (row === undefined) {
    makeOrphan(tree, node, actor);
    return;
  }
  const file = tree.openFiles.get(node.fileId);
  if (file === undefined) return;
  file.parent = row.parent;
  file.name = baseNameOf(row.path as TreePath);
  followFile(tree, node.fileId);
}

/** A directory that was an overlay's own. */
export interface DroppedDirectory {
  readonly path: TreePath;
  readonly fileId: FileId;
}

/** Takes away directories that were made or moved in an overlay and have nothing in them any more; says which. */
export function dropOwnDirectories(
  tree: Tree,
  isAsked: (path: string) => boolean,
  actor: Actor,
): DroppedDirectory[] {
  return ownDirectories(tree, isAsked).filter(({ path }) => revertDirectory(tree, path, actor));
}

/** Those that were made or moved in the overlay, the deepest first. */
function ownDirectories(tree: Tree, isAsked: (path: string) => boolean): DroppedDirectory[] {
  const found: DroppedDirectory[] = [];
  for (const fileId of tree.entries.directories()) {
    const place = tree.paths.find(fileId);
    if (place !== undefined && place.path !== ROOT && !place.scratch && isAsked(place.path))
      found.push({ path: place.path, fileId });
  }
  return found.sort((a, b) => segmentsOf(b.path).length - segmentsOf(a.path).length);
}

/** False while there is something in it, be it scratch. */
function revertDirectory(tree: Tree, path: TreePath, actor: Actor): boolean {
  const parent = findDirectory(tree, parentOf(path));
  const directory = findDirectory(tree, path);
  if (parent === undefined || directory === undefined || !isEmpty(tree, directory)) return false;
  removeDirectory(tree, { parent, name: baseNameOf(path) }, withoutOrigin(actor));
  return true;
}

/** The same actor, but no kernel's: each is told, and none has asked for the removal of a node that it knows. */
function withoutOrigin(actor: Actor): Actor {
  const { agent, uid, gid, pid } = actor;
  return { agent, uid, gid, pid, command: () => actor.command(), origin: undefined, hidesBase: false };
}
