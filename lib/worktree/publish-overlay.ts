/**
 * Owns publishing an overlay: what a user has changed, added, moved or removed is done to the base, all of it in one
 * transaction, if the base still has the versions that the user's began with (W1). Where anything is against one path, nothing is done
 * and each says why. Must never write over what the user has not seen.
 */
import { PfsError, PosixError } from "../../schema/errors.ts";
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
import { type Actor, FileType, isDirectory, type Node } from "../node.ts";
import { fromNanoseconds } from "../time.ts";
import type { Place } from "./create.ts";
import { deletePath } from "./delete-path.ts";
import { listDirectory } from "./listing.ts";
import { makePlace } from "./make-place.ts";
import { dropOverlay, logAway } from "./overlay.ts";
import {
  type Hidden,
  leaves,
  type Publication,
  type Removed,
  refusalOfFile,
  refusalOfRemoval,
} from "./publish-checks.ts";
import { recordFiles } from "./record-files.ts";
import { findDirectory, removeDirectory, settleVacancies } from "./remove.ts";
import { moveFiles } from "./rename-tracked.ts";
import { dropOwnDirectories, hiddenPath, showBase } from "./revert.ts";
import type { Tree } from "./tree.ts";

/**
 * What became of a path in the base. `refused`: nothing, and `reason` says why. `held`: nothing, as another path was refused.
 */
export type PublishOutcome = "created" | "updated" | "moved" | "deleted" | "unchanged" | "refused" | "held";

export interface PublishedPath {
  readonly path: string;
  readonly outcome: PublishOutcome;
  /** A whole sentence; null unless it was refused. */
  readonly reason: string | null;
}

type Outcomes = Map<string, PublishOutcome>;

/** Why nothing is published: a sentence by path. */
class Refused extends Error {
  readonly reasons: ReadonlyMap<string, string>;

  constructor(reasons: ReadonlyMap<string, string>) {
    super("Nothing is published.");
    this.reasons = reasons;
  }
}

/**
 * Publishes files, and everything at and below directories; "" is the whole overlay.
 * @returns every path that the overlay has something at, sorted
 * @throws PfsError INVALID_PATH; USAGE: of the base; FULL
 */
export function publishOverlay(overlay: Tree, paths: readonly string[], actor: Actor): PublishedPath[] {
  const { base } = overlay;
  if (base === undefined)
    throw new PfsError("USAGE", "The base of a book is what is published to.", { hint: "Name a user." });
  for (const path of paths) if (path !== ROOT) parseTreePath(path);
  for (const tree of [overlay, base]) settleVacancies(tree, 0);
  const isAsked = (path: string): boolean =>
    paths.some((asked) => asked === path || isBelow(path, asked as TreePath | typeof ROOT));
  const publication = findAsked(overlay, base, isAsked, actor);
  try {
    refuse(refusals(publication));
    const nodes = publication.files.map(({ fileId }) => overlay.get(fileId) as Node);
    const outcomes = overlay.store.transaction(() => {
      const done = publishAll(publication);
      dropOwnDirectories(overlay, isAsked, actor);
      return done;
    });
    for (const node of nodes) showBase(overlay, node, actor);
    return told(publication, (path) => ({ path, outcome: outcomes.get(path) ?? "unchanged", reason: null }));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return told(publication, (path) => {
      const reason = error.reasons.get(path) ?? null;
      return { path, outcome: reason === null ? "held" : "refused", reason };
    });
  }
}

function findAsked(overlay: Tree, base: Tree, isAsked: (path: string) => boolean, actor: Actor): Publication {
  const removed: Removed[] = [];
  const emptied: Hidden[] = [];
  for (const place of overlay.entries.hidden()) {
    const path = hiddenPath(overlay, place);
    if (path === undefined || !isAsked(path)) continue;
    const row = base.journal.get(path);
    if (row === undefined) emptied.push({ ...place, path });
    // Hidden because it is elsewhere, or something else is in its place: not removed.
    else if (overlay.journal.find(row.fileId) === undefined && overlay.journal.get(path) === undefined)
      removed.push({ ...place, path, row });
  }
  emptied.sort((a, b) => segmentsOf(b.path).length - segmentsOf(a.path).length);
  const files = overlay.journal.below(ROOT).filter(({ path }) => isAsked(path));
  return { overlay, base, actor, startedMs: performance.now(), files, removed, emptied };
}

function told(
  { files, removed, emptied }: Publication,
  tell: (path: string) => PublishedPath,
): PublishedPath[] {
  const paths = new Set([...files, ...removed, ...emptied].map(({ path }) => path));
  return [...paths].map(tell).sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}

function refusals(publication: Publication): Map<string, string> {
  const reasons = new Map<string, string>();
  const note = (path: string, reason: string | undefined): void => {
    if (reason !== undefined) reasons.set(path, reason);
  };
  for (const row of publication.files) note(row.path, refusalOfFile(publication, row));
  for (const one of publication.removed) note(one.path, refusalOfRemoval(publication, one));
  return reasons;
}

/** @throws Refused */
function refuse(reasons: ReadonlyMap<string, string>): void {
  if (reasons.size > 0) throw new Refused(reasons);
}

/** What leaves a name comes before what comes to it. Only within a transaction. @throws Refused */
function publishAll(publication: Publication): Outcomes {
  const { overlay, files, actor, startedMs } = publication;
  const outcomes: Outcomes = new Map();
  for (const row of files) dropOverlay(overlay, row, "revert", actor, startedMs);
  removeFiles(publication, outcomes);
  moveAll(publication, outcomes);
  removeEmptied(publication, outcomes);
  recordAll(publication, outcomes);
  return outcomes;
}

function removeFiles({ overlay, base, removed, actor }: Publication, outcomes: Outcomes): void {
  for (const { path, parent, name } of removed) {
    deletePath(base, path, actor);
    overlay.entries.unhide(parent, name);
    outcomes.set(path, "deleted");
  }
}

/** Files of the base that the user has elsewhere; what the user has replaced by one of them goes. */
function moveAll(publication: Publication, outcomes: Outcomes): void {
  const { base, files, actor } = publication;
  const moves: { from: Place; to: Place }[] = [];
  for (const { fileId, path } of files) {
    const present = base.journal.find(fileId);
    if (present === undefined || present.path === path) continue;
    const occupant = base.journal.get(path);
    if (occupant !== undefined && !leaves(publication, occupant.fileId, path))
      deletePath(base, path as TreePath, actor);
    const [from, to] = [present.path, path].map((each) =>
      naming(path, () => makePlace(base, each as TreePath, actor)),
    ) as [Place, Place];
    moves.push({ from, to });
    outcomes.set(path, "moved");
  }
  moveFiles(base, moves, actor);
}

/** Directories of the base that the user does not see, with those in them, if there is no file in any. @throws Refused */
function removeEmptied({ overlay, base, emptied, actor }: Publication, outcomes: Outcomes): void {
  const reasons = new Map<string, string>();
  for (const { path, parent, name } of emptied) {
    if (removeEmpty(base, { parent, name }, actor)) outcomes.set(path, "deleted");
    else reasons.set(path, `There are files in ${path} in the base.`);
    overlay.entries.unhide(parent, name);
  }
  refuse(reasons);
}

/** False where the directory holds more than empty directories. */
function removeEmpty(base: Tree, place: Place, actor: Actor): boolean {
  const node = base.lookup(place.parent, place.name);
  if (node === undefined) return true;
  const children: (Place & { isDirectory: boolean })[] = [];
  listDirectory(base, node.fileId, 0, (name, child) => {
    children.push({ parent: node.fileId, name, isDirectory: isDirectory(child.mode) });
    return true;
  });
  const isEmptied = children.every((child) => child.isDirectory && removeEmpty(base, child, actor));
  if (isEmptied) removeDirectory(base, place, actor);
  return isEmptied;
}

function recordAll(publication: Publication, outcomes: Outcomes): void {
  const { overlay, base, files, actor, startedMs } = publication;
  for (const row of files) {
    const path = row.path as TreePath;
    const occupant = base.journal.get(path);
    // The base has made the same file meanwhile.
    const isThere =
      occupant !== undefined && occupant.fileId !== row.fileId && occupant.sha256 === row.sha256;
    const counts = isThere ? undefined : naming(path, () => record(publication, row));
    if (counts?.created === 1) outcomes.set(path, "created");
    else if (counts?.updated === 1 && outcomes.get(path) !== "moved") outcomes.set(path, "updated");
    // The user's directory may be another than the base's of the same name, which shows when the user's goes.
    for (const tree of [overlay, base]) {
      const parent = findDirectory(tree, parentOf(path));
      if (parent === undefined) continue;
      const place = { parent, name: baseNameOf(path) };
      if (overlay.entries.unhide(place.parent, place.name)) {
        // Nothing else says so on other machines.
        const { fileId } = base.journal.get(path) as JournalRow;
        logAway(overlay, path, { operation: "revert", prevHash: null, fileId }, actor, startedMs);
      }
      overlay.notify({ type: "entry", ...place }, undefined);
    }
    overlay.notify({ type: "content", fileId: row.fileId }, undefined);
  }
}

function record({ base, actor }: Publication, row: JournalRow): { created: number; updated: number } {
  const type = (row.mode & FileType.mask) === FileType.symlink ? "symlink" : "file";
  const { path, sha256: hash, size: sizeBytes, mode, fileId } = row;
  const mtime = fromNanoseconds(row.mtime);
  const content = { stored: true, fileId } as const;
  return recordFiles(base, [{ path, type, hash, sizeBytes, mode, mtime, content }], [], actor);
}

/** What is in the way of a path. @throws Refused */
function naming<Result>(path: string, action: () => Result): Result {
  try {
    return action();
  } catch (error) {
    if (error instanceof PosixError)
      throw new Refused(new Map([[path, `The base has something in the way of ${path}.`]]));
    if (error instanceof PfsError && error.code === "EXISTS")
      throw new Refused(new Map([[path, error.message]]));
    throw error;
  }
}
