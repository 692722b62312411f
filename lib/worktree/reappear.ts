/**
 * Owns that a directory of the base shows again in an overlay that has moved it, hides it, or hides one above it, because
 * something in it is to show again. What else is in it stays as the user has it: elsewhere, or unseen. Must never take away
 * what the user has at the directory's name.
 */
import { PfsError } from "../../schema/errors.ts";
import { type FileId, newFileId } from "../../schema/ids.ts";
import { type Actor, isDirectory } from "../node.ts";
import type { Place } from "./create.ts";
import { listDirectory } from "./listing.ts";
import { beneathOf, hideBeneath } from "./overlay.ts";
import { moveOpenFiles } from "./own-directories.ts";
import type { Tree } from "./tree.ts";

/** What is done for one overlay. */
export interface Reappearance {
  readonly tree: Tree;
  readonly base: Tree;
  readonly actor: Actor;
  readonly startedMs: number;
  /** Files, and directories with all that is in them, that are to show again. */
  readonly returning: ReadonlySet<FileId>;
}

/**
 * Makes the base's directory show where the base has it. If it was not seen, only what returns is seen in it then, and
 * `below`, a name in it. Only within a transaction.
 * @throws PfsError NOT_PERMITTED: the user has something else at its name, or at that of a directory above it
 */
export function reappear(parts: Reappearance, directory: FileId, below?: string): void {
  const { tree, base } = parts;
  if (directory === tree.book.rootId) return;
  const entry = base.entries.findById(directory);
  if (entry === undefined) return;
  const place = { parent: entry.parent, name: entry.name };
  reappear(parts, place.parent, place.name);
  refuseOccupied(parts, place);
  const wasMoved = tree.entries.findById(directory) !== undefined;
  if (wasMoved) partFromBase(parts, directory);
  const wasHidden = tree.entries.unhide(place.parent, place.name);
  if (!wasMoved && !wasHidden) return;
  if (!parts.returning.has(directory)) hideOthers(parts, directory, below);
  tree.notify({ type: "entry", ...place }, undefined);
}

function refuseOccupied({ tree, base }: Reappearance, { parent, name }: Place): void {
  const path = base.pathOf(parent, name);
  const isFree =
    tree.entries.find(parent, name) === undefined &&
    tree.newborn(parent, name) === undefined &&
    tree.journal.get(path) === undefined;
  if (isFree) return;
  throw new PfsError(
    "NOT_PERMITTED",
    `The base's directory ${path} has to show again for that, and ${tree.layer} has something else of that name.`,
    { path, hint: `Nothing was reverted. Move ${path} away, or revert it, too.` },
  );
}

/** The directory that the user has elsewhere becomes another than the base's, with all that is in it. */
function partFromBase({ tree }: Reappearance, directory: FileId): void {
  const place = tree.entries.findById(directory) as Place;
  const names: string[] = [];
  listDirectory(tree, directory, 0, (name) => names.push(name) > 0);
  const own = newFileId();
  tree.entries.renumberDirectory(directory, own);
  tree.xattrs.move(directory, own);
  tree.paths.forgetAll();
  tree.store.afterRollback(() => tree.paths.forgetAll());
  tree.store.afterCommit(() => moveOpenFiles(tree, directory, own));
  for (const name of names) tree.notify({ type: "entry", parent: directory, name }, undefined);
  tree.notify({ type: "entry", parent: place.parent, name: place.name }, undefined);
}

/** Nothing of a directory of the base was seen: what does not return stays unseen. */
function hideOthers(parts: Reappearance, directory: FileId, below: string | undefined): void {
  const { tree, base, actor, startedMs, returning } = parts;
  const others: string[] = [];
  listDirectory(base, directory, 0, (name, { mode, fileId, tracked }) => {
    const isOfBook = isDirectory(mode) ? !base.paths.get(fileId).scratch : tracked;
    if (isOfBook && name !== below && !returning.has(fileId)) others.push(name);
    return true;
  });
  for (const name of others) {
    const row = base.journal.get(base.pathOf(directory, name));
    hideBeneath(
      tree,
      { parent: directory, name },
      beneathOf(row ?? "directory", undefined),
      null,
      actor,
      startedMs,
    );
  }
}
