/**
 * Owns what removing and moving mean in an overlay, where the base may have something beneath: the base shows again, or is
 * hidden, or what is about to move becomes the overlay's own first. Must never change the base (R5).
 */
import { PfsError } from "../../schema/errors.ts";
import { BASE, type BlobHash, type FileId, newFileId } from "../../schema/ids.ts";
import type { LogOperation } from "../../schema/log-row.ts";
import { baseNameOf, type DirectoryPath, parentOf, type TreePath } from "../../schema/paths.ts";
import type { JournalRow } from "../journal.ts";
import { type Actor, isDirectory, type Node } from "../node.ts";
import type { Place } from "./create.ts";
import { listDirectory } from "./listing.ts";
import { findDirectory, settle } from "./remove.ts";
import type { Tree } from "./tree.ts";

/**
 * A mount that does not hide anything may change what the base's files hold and add others, not remove or rename what the
 * base has. To be called before the transaction.
 * @throws PfsError NOT_PERMITTED
 */
export function refuseStructure(tree: Tree, place: Place, operation: LogOperation, actor: Actor): void {
  if (tree.shared === undefined || actor.hidesBase === true || tree.beneath(place) === undefined) return;
  const startedMs = performance.now();
  const path = tree.pathOf(place.parent, place.name);
  const verb = operation === "rename" ? "renamed" : "removed";
  const error = new PfsError(
    "NOT_PERMITTED",
    `${path} is part of the base and cannot be ${verb} by ${tree.layer}.`,
    { path, hint: "Mount with delete=hide to hide it from this user, or change it in the base." },
  );
  tree.refuse(error, { operation, path, startedMs }, actor);
}

/** Whether an overlay has something of its own at a node, or below it. Scratch is nobody's version. */
export function isOwn(tree: Tree, node: Node): boolean {
  const path = tree.pathOf(node.parent, node.name);
  if (!isDirectory(node.mode)) return node.tracked && tree.journal.get(path) !== undefined;
  const { own, scratch } = tree.paths.get(node.fileId);
  return !scratch && (own || tree.journal.hasBelow(path));
}

/**
 * Takes an overlay's file away, so that what the base has there shows. A file of the base that is not seen then, as the
 * overlay had moved it, is hidden for the log. Only within a transaction.
 */
export function dropOverlay(
  tree: Tree,
  row: JournalRow,
  operation: "delete" | "revert",
  actor: Actor,
  startedMs: number,
): void {
  tree.journal.remove(row.path);
  tree.entries.forgetNode(row.fileId);
  const { sha256: prevHash, fileId } = row;
  const isHidden = operation === "delete" && isUnseen(tree, fileId);
  // Where the base has it: what covers it there may go.
  const origin = isHidden ? tree.base?.journal.find(fileId) : undefined;
  if (origin?.parent != null) tree.entries.hide(origin.parent, baseNameOf(origin.path as TreePath));
  const logged = isHidden ? "hide" : operation;
  logAway(
    tree,
    row.path,
    { operation: logged, prevHash, fileId, base: row.base ?? undefined },
    actor,
    startedMs,
  );
}

/** Whether the base has a file that an overlay without a version of it hides, or a directory above it. */
function isUnseen(tree: Tree, fileId: FileId): boolean {
  const { base, shared } = tree;
  const path = base?.journal.find(fileId)?.path as TreePath | undefined;
  if (base === undefined || path === undefined) return false;
  const parent = findDirectory(base, parentOf(path));
  if (parent === undefined || findDirectory(tree, parentOf(path)) !== parent) return true;
  return shared?.version(parent, baseNameOf(path), path) === undefined;
}

/** Files of the base below a directory that shows again are no longer hidden for the log. Only within a transaction. */
export function logSeenBelow(tree: Tree, directory: DirectoryPath, actor: Actor, startedMs: number): void {
  if (tree.base === undefined) return;
  const last = tree.store.database
    .prepare(
      `SELECT operation FROM audit_log INDEXED BY audit_log_overlay_file
       WHERE file_id = ? AND user_id = ? AND user_id <> '${BASE}' AND +status = 'ok' ORDER BY seq DESC LIMIT 1`,
    )
    .pluck();
  for (const { path, fileId } of tree.base.journal.below(directory)) {
    if (last.get(fileId, tree.layer) !== "hide" || tree.journal.get(path) !== undefined) continue;
    if (!isUnseen(tree, fileId))
      logAway(tree, path, { operation: "revert", prevHash: null, fileId }, actor, startedMs);
  }
}

/** What the base has at a place of an overlay. */
export interface Beneath {
  /** {@link Tree.beneath} */
  readonly row: JournalRow | "directory";
  /** The version of it that the user has seen, though something of the user's own may have been over it; null: none. */
  readonly seen: BlobHash | null;
}

/** `covering`: what the user sees there; undefined: the base's own. */
export function beneathOf(row: JournalRow | "directory", covering: JournalRow | undefined): Beneath {
  if (row === "directory") return { row, seen: null };
  if (covering === undefined) return { row, seen: row.sha256 };
  return { row, seen: covering.fileId === row.fileId ? covering.base : null };
}

/** Hides what the base has at a place. Only within a transaction. */
export function hideBeneath(
  tree: Tree,
  place: Place,
  { row, seen: base }: Beneath,
  prevHash: JournalRow["sha256"] | null,
  actor: Actor,
  startedMs: number,
): void {
  const path = tree.pathOf(place.parent, place.name);
  // What waits there comes first in the log.
  if (tree.vacancies.has(path)) settle(tree, path, startedMs);
  // Directories are this machine's own and in no log.
  if (!tree.entries.hide(place.parent, place.name) || row === "directory") return;
  logAway(tree, path, { operation: "hide", prevHash, fileId: row.fileId, base }, actor, startedMs);
}

/** Logs that the overlay has no version of a path any more. Only within a transaction. */
export function logAway(
  tree: Tree,
  path: string,
  row: Pick<JournalRow, "fileId"> & {
    operation: "delete" | "revert" | "hide";
    prevHash: JournalRow["sha256"] | null;
    /** What is hidden. */
    base?: JournalRow["base"] | undefined;
  },
  actor: Actor,
  startedMs: number,
): void {
  const { bookId } = tree.book;
  tree.log.append({ ...row, bookId, path, userId: tree.layer, newHash: null, startedMs }, actor);
}

/**
 * Makes what is about to be moved the overlay's own, with all that is in it. Only within a transaction, after
 * {@link refuseStructure}.
 * @returns whether the base has something at its name, which is to be hidden once it has moved
 */
export function takeForMove(
  tree: Tree,
  place: Place,
  node: Node,
  actor: Actor,
  startedMs: number,
): Beneath | undefined {
  if (tree.shared === undefined) return undefined;
  const row = tree.beneath(place);
  const covering = tree.journal.get(tree.pathOf(place.parent, place.name));
  takeOver(tree, node, actor, startedMs);
  if (row === undefined) return undefined;
  return isDirectory(node.mode) ? { row, seen: null } : beneathOf(row, covering);
}

function takeOver(tree: Tree, node: Node, actor: Actor, startedMs: number): void {
  if (isDirectory(node.mode)) takeDirectory(tree, node, actor, startedMs);
  else if (node.tracked) copyUp(tree, node, actor, startedMs);
}

/** The base's version becomes the overlay's own, bytes and all. */
function copyUp(tree: Tree, node: Node, actor: Actor, startedMs: number): void {
  const path = tree.pathOf(node.parent, node.name);
  if (tree.journal.get(path) !== undefined) return;
  const version = tree.version(node);
  if (version === undefined) return;
  tree.journal.insert({ ...version, parent: node.parent, base: version.sha256 });
  tree.entries.copyUp(node.fileId);
  tree.xattrs.copyUp(node.fileId);
  const { sha256: newHash, fileId, size, mtime } = version;
  tree.log.append(
    {
      operation: "create",
      bookId: tree.book.bookId,
      path,
      userId: tree.layer,
      prevHash: null,
      newHash,
      startedMs,
      fileId,
      size,
      mode: version.mode,
      mtime: mtime.toString(),
      base: newHash,
    },
    actor,
  );
}

function takeDirectory(tree: Tree, directory: Node, actor: Actor, startedMs: number): void {
  if (tree.paths.get(directory.fileId).own) return;
  const children: Node[] = [];
  listDirectory(tree, directory.fileId, 0, (_name, node) => {
    children.push(node);
    return true;
  });
  for (const child of children) takeOver(tree, child, actor, startedMs);
  const subdirectories = children.filter(({ mode }) => isDirectory(mode)).length;
  tree.entries.takeDirectory(newFileId(), directory, 2 + subdirectories);
  tree.paths.forgetAll();
}
