/**
 * Owns what becomes of own changes once what others did is done: three-way by file, where base is what is shared, mine what
 * there was here, theirs what there is now. Must never lose bytes: what cannot be merged is kept as a conflict (W2).
 */
import { hash as sha256 } from "node:crypto";
import type { BlobHash, FileId } from "../../schema/ids.ts";
import { baseSaidBy, type LogOperation } from "../../schema/log-row.ts";
import type { TreePath } from "../../schema/paths.ts";
import { INLINE_MAX_BYTES } from "../blobs.ts";
import type { RowMaker } from "../log.ts";
import { FileType } from "../node.ts";
import type { UnsettledRow } from "../shared-rows.ts";
import { type FileState, isSame, type LayerPlan, type RowCause } from "./layer-plan.ts";
import type { Met, Placed } from "./layer-rebase.ts";
import { JournalMode } from "./node-rows.ts";

/** How versions are merged. */
export interface Merging {
  /** The merge of three small texts; undefined: they do not merge, or cannot be had. */
  merge(sides: Merge, path: TreePath): Uint8Array | undefined;
}

/** Hashes of three versions. */
export interface Merge {
  readonly base: BlobHash;
  readonly mine: BlobHash;
  readonly theirs: BlobHash;
}

export interface RedoParts extends Merging {
  readonly plan: LayerPlan;
  /** Bytes that are to become blobs. */
  readonly made: Map<BlobHash, Uint8Array>;
  /** What both sides began with, where a row of this store's own came after it. */
  readonly ancestors: ReadonlyMap<FileId, Placed>;
}

/** A change that is to be done on what others did. */
interface Redo {
  readonly fileId: FileId;
  readonly base: Placed | undefined;
  readonly begunAt: TreePath | undefined;
  readonly mine: Placed;
  readonly row: UnsettledRow | undefined;
  readonly cause: RowCause;
}

/** Does again what was done here. */
export function redoChanges(parts: RedoParts, met: readonly Met[]): void {
  const { plan, ancestors } = parts;
  const changes = met.map((each) => {
    const ancestor = ancestors.get(each.fileId);
    return ancestor === undefined ? each : { ...each, synced: ancestor, begunAt: ancestor.path };
  });
  for (const each of changes) if (each.mine === undefined) redoRemoval(plan, each);
  const kept = changes.flatMap(({ fileId, synced, begunAt, mine, row }): Redo[] =>
    mine === undefined || isUnchanged(synced, mine)
      ? []
      : [{ fileId, base: synced, begunAt, mine, row, cause: { maker: makerOf(row), sharedSeq: undefined } }],
  );
  redoMoves(plan, kept);
  for (const redo of kept) redoContent(parts, redo);
}

function isUnchanged(synced: Placed | undefined, mine: Placed): boolean {
  return synced !== undefined && synced.path === mine.path && isSame(synced.file, mine.file);
}

/** A file that was removed here. One that others have changed since stays. */
function redoRemoval(plan: LayerPlan, { fileId, synced, row }: Met): void {
  const path = plan.pathOf(fileId);
  const theirs = path === undefined ? undefined : plan.at(path);
  if (synced === undefined || path === undefined || theirs === undefined) return;
  const cause = { maker: makerOf(row), sharedSeq: undefined };
  // How it went: in an overlay it may be that the base's file does not show, either.
  const operation: LogOperation =
    row?.operation === "hide" || row?.operation === "revert" ? row.operation : "delete";
  if (theirs.hash === synced.file.hash) plan.remove(path, operation, cause, { base: row && baseSaidBy(row) });
  else
    plan.refuse(
      path,
      operation,
      `CONFLICT: ${path} stays: others have changed it since it was removed here.`,
      cause,
    );
}

/** Files that have another name here get it again, unless others have moved them or have something there. */
function redoMoves(plan: LayerPlan, redos: readonly Redo[]): void {
  let moves = redos.flatMap((redo) => {
    const from = plan.pathOf(redo.fileId);
    const isMoved = redo.begunAt !== undefined && redo.begunAt !== redo.mine.path && from === redo.begunAt;
    return isMoved && from !== redo.mine.path ? [{ redo, from, to: redo.mine.path }] : [];
  });
  const isFree = (to: TreePath): boolean => {
    const inTheWay = [...(plan.at(to) === undefined ? [] : [to]), ...plan.obstructing(to)];
    return inTheWay.every((path) => moves.some(({ from }) => from === path));
  };
  // One that stays may be in the way of another.
  for (let count = -1; count !== moves.length; ) {
    count = moves.length;
    const refused = moves.filter(({ to }) => !isFree(to));
    for (const { redo, from, to } of refused) {
      const text = `CONFLICT: ${from} keeps its name: others have something at ${to}, where it was moved here.`;
      plan.refuse(from, "rename", text, redo.cause);
    }
    moves = moves.filter((move) => !refused.includes(move));
  }
  const files = moves.map(({ from }) => plan.at(from) as FileState);
  for (const { redo, from } of moves) plan.remove(from, "rename", redo.cause);
  for (const [index, { redo, from, to }] of moves.entries())
    plan.put(to, files[index] as FileState, redo.cause, { prevPath: from });
}

function redoContent(parts: RedoParts, redo: Redo): void {
  const { plan } = parts;
  const { fileId, base, mine, cause } = redo;
  const at = plan.pathOf(fileId);
  if (at !== undefined) {
    mergeInto(parts, redo, at, base?.file ?? commonBase(mine.file, plan.at(at) as FileState));
    return;
  }
  const there = plan.at(mine.path);
  if (there !== undefined) {
    // Another file has come to its path: one that both made, or others have made it anew.
    mergeInto(parts, redo, mine.path, base?.path === mine.path ? base.file : undefined);
    return;
  }
  if (base === undefined && !plan.isObstructed(mine.path)) {
    // One that was moved there may have taken the place of something that the user saw.
    plan.put(mine.path, mine.file, cause, { isUnsaid: redo.row?.operation === "rename" });
    return;
  }
  if (base !== undefined && base.file.hash === mine.file.hash) {
    const text = `CONFLICT: ${base.path} was removed by others; what was done to it here, other than to its bytes, is gone with it.`;
    plan.refuse(base.path, "attributes", text, cause);
    return;
  }
  keep(parts, redo, mine.path, base?.file.hash ?? null);
}

/** In an overlay: both began with the same version of the base. */
function commonBase(mine: FileState, theirs: FileState): FileState | undefined {
  return mine.base !== null && mine.base === theirs.base ? { ...theirs, hash: mine.base } : undefined;
}

/** Puts what was done here to bytes, mode and time upon what a path has now. */
function mergeInto(parts: RedoParts, redo: Redo, path: TreePath, base: FileState | undefined): void {
  const { plan, made } = parts;
  const { mine, cause } = redo;
  const theirs = plan.at(path) as FileState;
  const isMineOnly = base !== undefined && theirs.hash === base.hash;
  // Whether it may be executed is nothing that a link of others has.
  const isLink = theirs.mode === JournalMode.symlink && !isMineOnly;
  const isModeMine = base !== undefined && base.mode !== mine.file.mode && !isLink;
  const mode = isModeMine ? mine.file.mode : theirs.mode;
  if (mine.file.hash === theirs.hash || base?.hash === mine.file.hash) {
    const isTimeMine = base !== undefined && base.mtime === theirs.mtime && isMineOnly;
    putChanged(plan, path, { ...theirs, mode, mtime: isTimeMine ? mine.file.mtime : theirs.mtime }, cause);
    return;
  }
  const { hash, size } = mine.file;
  if (isMineOnly) {
    putChanged(plan, path, { ...theirs, hash, size, mode, mtime: mine.file.mtime }, cause);
    return;
  }
  const merged = base === undefined ? undefined : mergeOf(parts, path, base, mine.file, theirs);
  if (merged === undefined) {
    keep(parts, redo, path, base?.hash ?? null);
    return;
  }
  const mergedHash = sha256("sha256", merged, "hex") as BlobHash;
  made.set(mergedHash, merged);
  let { mtime } = theirs;
  if (mine.file.mtime > mtime) mtime = mine.file.mtime;
  const result = { ...theirs, hash: mergedHash, size: merged.byteLength, mode, mtime };
  putChanged(plan, path, result, { maker: mergerOf(cause.maker), sharedSeq: undefined });
}

function putChanged(plan: LayerPlan, path: TreePath, file: FileState, cause: RowCause): void {
  if (!isSame(file, plan.at(path))) plan.put(path, file, cause);
}

function mergeOf(
  parts: RedoParts,
  path: TreePath,
  base: FileState,
  mine: FileState,
  theirs: FileState,
): Uint8Array | undefined {
  const sides = [base, mine, theirs];
  if (sides.some(({ size, mode }) => size > INLINE_MAX_BYTES || mode === JournalMode.symlink))
    return undefined;
  const merged = parts.merge({ base: base.hash, mine: mine.hash, theirs: theirs.hash }, path);
  return merged === undefined || merged.byteLength > INLINE_MAX_BYTES ? undefined : merged;
}

/** Keeps what was made here as a conflict; the path stays as others have it. */
function keep({ plan }: RedoParts, redo: Redo, path: TreePath, base: BlobHash | null): void {
  const { mine, cause, fileId } = redo;
  const theirs = plan.at(path);
  const { hash, size, mode, mtime } = mine.file;
  const { agent, uid, pid } = cause.maker;
  const operation = base === null ? "create" : "update";
  const text =
    theirs === undefined
      ? `CONFLICT: ${path} was removed by others since it was changed here`
      : `CONFLICT: ${path} was changed by others since it was read here`;
  plan.refuse(path, operation, text, cause, {
    ...{ path, operation, base, mine: hash, theirs: theirs?.hash ?? null, fileId: theirs?.fileId ?? fileId },
    ...{
      size,
      mode: mode === JournalMode.symlink ? FileType.symlink | 0o777 : mode,
      mtime: mtime.toString(),
    },
    ...{ agent, uid: uid ?? 0, gid: 0, pid: pid ?? 0, command: cause.maker.command() ?? "" },
  });
}

export function makerOf(
  row: Pick<UnsettledRow, "agent_id" | "uid" | "pid" | "command"> | undefined,
): RowMaker {
  // A file that was met without a row of its own cannot be: something was done to it.
  if (row === undefined) throw new Error("a file was met that nothing was done to");
  const { agent_id, uid, pid, command } = row;
  return { agent: agent_id as RowMaker["agent"], uid, pid, command: () => command };
}

const AGENT_MAX_CHARS = 200;
const MERGED = "merge:";

/** Who is answerable for a merge: whoever made the change that was merged. */
function mergerOf(maker: RowMaker): RowMaker {
  // One that is merged once more is still theirs.
  if (maker.agent.startsWith(MERGED)) return maker;
  const agent = `${MERGED}${maker.agent}`.slice(0, AGENT_MAX_CHARS).trimEnd();
  return { ...maker, agent: (agent.isWellFormed() ? agent : agent.slice(0, -1)) as RowMaker["agent"] };
}
