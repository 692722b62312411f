/**
 * Owns what keeps a path of an overlay from being published, asked before anything is done: the base has moved on (W1),
 * somebody is writing, or something is in the way. Must never change anything.
 */
import type { FileId, Seq } from "../../schema/ids.ts";
import { LOCAL_OPERATIONS, type LogOperation, NO_BASE } from "../../schema/log-row.ts";
import { baseNameOf, parentOf, ROOT, type TreePath } from "../../schema/paths.ts";
import type { JournalRow } from "../journal.ts";
import type { Actor } from "../node.ts";
import { ToldSight } from "../past/told-sight.ts";
import type { Place } from "./create.ts";
import { findDirectory } from "./remove.ts";
import type { Tree } from "./tree.ts";

/** One publishing: from which overlay, to which base, and all that it is about. */
export interface Publication {
  readonly overlay: Tree;
  readonly base: Tree;
  readonly actor: Actor;
  readonly startedMs: number;
  /** The overlay's files, by path. */
  readonly files: readonly JournalRow[];
  /** Files of the base that the user has removed. */
  readonly removed: readonly Removed[];
  /** Directories of the base that the user does not see, the deepest first. */
  readonly emptied: readonly Hidden[];
}

/** A name of the base that the overlay hides. */
export interface Hidden extends Place {
  readonly path: TreePath;
}

export interface Removed extends Hidden {
  /** The base's. */
  readonly row: JournalRow;
}

/** A sentence; undefined: nothing is against it. */
export function refusalOfFile(publication: Publication, row: JournalRow): string | undefined {
  const { overlay, base } = publication;
  const present = base.journal.find(row.fileId);
  const path = row.path as TreePath;
  return (
    draftOf(overlay, row) ??
    (present === undefined ? undefined : draftOf(base, present)) ??
    changed(publication, row, present) ??
    occupied(publication, row) ??
    wrongKind(publication, path)
  );
}

/** As {@link refusalOfFile}. */
export function refusalOfRemoval({ overlay, base }: Publication, { path, row }: Removed): string | undefined {
  const draft = draftOf(base, row);
  if (draft !== undefined) return draft;
  const hidden = lastRow(overlay, path);
  return isBefore(lastRow(base, path), hidden) && mayHide(hidden, row)
    ? undefined
    : `${path} was changed in the base since ${overlay.layer} removed it.`;
}

function draftOf(tree: Tree, { path, fileId, parent }: JournalRow): string | undefined {
  // What is vacated although all was settled is being made anew.
  if (parent !== null && tree.openFiles.get(fileId)?.dirty !== true) return undefined;
  return `Somebody is writing ${path}, and has not saved it yet.`;
}

function changed(
  { overlay }: Publication,
  { path, base, sha256 }: JournalRow,
  present: JournalRow | undefined,
): string | undefined {
  if (present === undefined)
    return base === null ? undefined : `The base's file, of which ${path} is a version, was deleted since.`;
  if (present.sha256 === base || present.sha256 === sha256) return undefined;
  return `${present.path} was changed in the base since ${overlay.layer}'s version began.`;
}

/** Another file of the base at that path, unless it leaves, or is what the user has replaced. */
function occupied(publication: Publication, row: JournalRow): string | undefined {
  const { base } = publication;
  const path = row.path as TreePath;
  const parent = findDirectory(base, parentOf(path));
  if (parent !== undefined && base.newborn(parent, baseNameOf(path)) !== undefined)
    return `Somebody is making ${path} in the base, and has not saved it yet.`;
  const occupant = base.journal.get(path);
  if (occupant === undefined || occupant.fileId === row.fileId) return undefined;
  if (leaves(publication, occupant.fileId, path)) return undefined;
  const moved = publication.overlay.journal.find(occupant.fileId);
  if (moved !== undefined)
    return `The base has at ${path} what ${publication.overlay.layer} has moved to ${moved.path}: publish that, too.`;
  const isKnown = occupant.sha256 === row.sha256 || hasReplaced(publication, row, occupant);
  return isKnown ? draftOf(base, occupant) : `The base has another file at ${path}.`;
}

/** Whether the base's file at a path has another path in the overlay, which is published, too. */
export function leaves({ files }: Publication, fileId: FileId, path: string): boolean {
  return files.some((row) => row.fileId === fileId && row.path !== path);
}

/** Whether the base's file at the path is still the one that was there when the user removed it or put another in its place. */
function hasReplaced(
  { overlay, base }: Publication,
  { path, fileId }: JournalRow,
  occupant: JournalRow,
): boolean {
  const made = lastRow(base, path);
  const hidden = lastRow(overlay, path, "operation = 'hide'");
  if (hidden !== undefined) return isBefore(made, hidden) && mayHide(hidden, occupant);
  const arrived = lastRow(
    overlay,
    path,
    "operation IN ('create', 'rename') AND new_hash IS NOT NULL AND file_id = ?",
    fileId,
  );
  return isBefore(made, arrived) && !isOfNothing(arrived) && wasSeen(overlay, occupant, arrived?.seq);
}

/** Whether what a row hides is the base's present version, as far as it says so. */
function mayHide(hidden: Position | undefined, { sha256 }: JournalRow): boolean {
  return hidden?.operation !== "hide" || hidden.baseHash === null || hidden.baseHash === sha256;
}

/** Whether a row says that the base had nothing where the user made a file. */
function isOfNothing(made: Position | undefined): boolean {
  return made?.operation === "create" && made.baseHash === NO_BASE;
}

/** Whether the user saw a file of the base when a row of the user's was written: a directory of the user's may cover it. */
function wasSeen({ store, book, layer }: Tree, { path, fileId }: JournalRow, seq = 1): boolean {
  const sighting = { bookId: book.bookId, userId: layer, path, fileId };
  return new ToldSight(store.database).isSeen(sighting, (seq - 1) as Seq);
}

/** Directories where files are to be, and the other way round. */
function wrongKind(publication: Publication, path: TreePath): string | undefined {
  const { base, emptied, removed } = publication;
  const isEmptied = emptied.some((hidden) => hidden.path === path);
  if (findDirectory(base, path) !== undefined && !isEmptied) return `The base has a directory at ${path}.`;
  for (let above = parentOf(path); above !== ROOT; above = parentOf(above)) {
    const row = base.journal.get(above);
    if (row === undefined || removed.some((each) => each.path === row.path)) continue;
    return `The base has a file at ${above}.`;
  }
  return undefined;
}

/** That the user sees a file of the base or not, because of directories, is nothing that the user did to it. */
const IS_DONE = `operation NOT IN (${LOCAL_OPERATIONS})`;

/** Where a row is in this store's log, and in the shared log if it is known to be there. */
interface Position {
  readonly seq: number;
  readonly sharedSeq: number | null;
  readonly operation: LogOperation;
  /** {@link LogRowBody.base_hash} */
  readonly baseHash: string | null;
}

/**
 * Whether whoever made the second row had the first one. Rows of others come here after what this store had, be it that they were
 * made before: so both logs must say so. What is not shared yet nobody elsewhere had.
 */
function isBefore(first: Position | undefined, second: Position | undefined): boolean {
  if (first === undefined || second === undefined) return first === undefined;
  const [one, other] = [first, second].map(({ sharedSeq }) => sharedSeq ?? Number.POSITIVE_INFINITY);
  return first.seq < second.seq && (one as number) <= (other as number);
}

/** The layer's last row of a path that fits; undefined if there is none. */
function lastRow(
  { store, book, layer }: Tree,
  path: string,
  condition = IS_DONE,
  ...values: readonly unknown[]
): Position | undefined {
  const last = store.database.prepare<unknown[], Position>(
    `SELECT a.seq, (SELECT shared_seq FROM shared_row s WHERE s.seq = a.seq) AS sharedSeq, operation, base_hash AS baseHash
     FROM audit_log a
     WHERE book_id = ? AND path = ? AND user_id = ? AND status = 'ok' AND ${condition} ORDER BY a.seq DESC LIMIT 1`,
  );
  return last.get(book.bookId, path, layer, ...values);
}
