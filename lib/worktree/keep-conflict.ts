/**
 * Owns keeping what a refused save carried (W2): bytes, conflict and log row in one transaction, durable when it returns.
 * Must never change the journal.
 */
import { hash as sha256 } from "node:crypto";
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash, FileId } from "../../schema/ids.ts";
import type { TreePath } from "../../schema/paths.ts";
import { INLINE_MAX_BYTES } from "../blobs.ts";
import type { Conflict, Merged } from "../conflict-table.ts";
import { FileDraft, ObjectContent } from "../content.ts";
import type { JournalRow } from "../journal.ts";
import { mergeText, type Sides } from "../merge.ts";
import type { Actor } from "../node.ts";
import { passStep } from "../step.ts";
import { type Time, toNanoseconds } from "../time.ts";
import { JournalMode } from "./node-rows.ts";
import type { OpenFile } from "./open-file.ts";
import { logRefusal } from "./refusal-log.ts";
import { storeDraft, type Version } from "./save.ts";
import type { Tree } from "./tree.ts";

/** A save that was refused because the journal has `current` instead of what the file began with. */
export interface RefusedSave {
  readonly file: OpenFile;
  readonly version: Pick<Version, "path" | "hash" | "size" | "mtime">;
  readonly current: JournalRow | undefined;
  readonly actor: Actor;
  readonly startedMs: number;
  /** Why it was refused, if not for that. */
  readonly reason?: PfsError;
}

/** Answers the refusal, which is logged already. The file goes on showing what was refused to whoever has it open. */
export function keepConflict(tree: Tree, refused: RefusedSave): PfsError {
  const { file, version, current, actor, startedMs, reason } = refused;
  const isChanged = version.hash !== file.hash;
  const { path, hash: mine, size, mtime } = version;
  const error = keepRefused(tree, {
    ...{ path, base: file.hash, mine, size, mode: file.attributes.mode, mtime, current, actor, startedMs },
    fileId: file.fileId,
    store: () => {
      if (isChanged) storeDraft(tree, mine, file);
    },
    explain: (id) => (reason === undefined ? explain(path, id) : explainKept(reason, path, id)),
  });
  if (isChanged) keepShowing(file);
  return error;
}

/** Bytes that are not to become a version, because the path has `current`. */
export interface RefusedBytes {
  readonly path: TreePath;
  /** Of who would have been written, if there is no current version. */
  readonly fileId: FileId;
  /** Hash of the version that they were made from, whose bytes are known here; null: none. */
  readonly base: BlobHash | null;
  readonly mine: BlobHash;
  /** Bytes. */
  readonly size: number;
  /** st_mode. */
  readonly mode: number;
  readonly mtime: Time;
  readonly current: JournalRow | undefined;
  readonly actor: Actor;
  readonly startedMs: number;
  /** Makes the bytes the blob `mine`; called within the transaction. */
  store(): void;
  /** The refusal, given the conflict's number. */
  explain(id: number): PfsError;
}

/** Answers the refusal, which is logged already; bytes and conflict are on the disk. */
export function keepRefused(tree: Tree, refused: RefusedBytes): PfsError {
  const { path, base, mine, size, mode, mtime, current, actor, startedMs } = refused;
  const error = tree.store.transaction(() => {
    refused.store();
    const sides = { base, mine, theirs: current?.sha256 ?? null };
    const operation = base === null ? "create" : "update";
    const time = new Date().toISOString();
    const id = tree.conflicts.change((table) =>
      table.insert(
        {
          ...sides,
          since: time,
          comparedAt: time,
          path,
          fileId: current?.fileId ?? refused.fileId,
          operation,
          size,
          mode,
          mtime: toNanoseconds(mtime).toString(),
          agent: actor.agent,
          uid: actor.uid,
          gid: actor.gid,
          pid: actor.pid,
          command: actor.command(),
        },
        mergeBlobs(tree, path, sides, current),
      ),
    );
    passStep("conflict.written");
    const found = refused.explain(id);
    logRefusal(tree, found, { operation, path, startedMs }, actor);
    return found;
  });
  tree.store.sync();
  return error;
}

/**
 * Merges three blobs, if they merge.
 * @param current what the path has now, of which `sides.theirs` is the hash
 */
export function mergeBlobs(
  tree: Tree,
  path: TreePath,
  sides: Pick<Conflict, "base" | "mine" | "theirs">,
  current: Pick<JournalRow, "mode"> | undefined,
): Merged | undefined {
  const { base, mine, theirs } = sides;
  if (base === null || theirs === null || current?.mode === JournalMode.symlink) return undefined;
  const merged = mergeText(readSides(tree, path, { base, mine, theirs }));
  if (merged === undefined || merged.byteLength > INLINE_MAX_BYTES) return undefined;
  return { hash: sha256("sha256", merged, "hex") as BlobHash, bytes: merged };
}

/** Large ones, and damaged ones, count as no text. */
function readSides(tree: Tree, path: TreePath, { base, mine, theirs }: Sides<BlobHash>): Sides<Buffer> {
  const read = (hash: BlobHash): Buffer => {
    try {
      return tree.blobs.readInline(hash, path) ?? NO_TEXT;
    } catch (error) {
      if (error instanceof PfsError) return NO_TEXT;
      throw error;
    }
  };
  return { base: read(base), mine: read(mine), theirs: read(theirs) };
}

const NO_TEXT = Buffer.from([0]);

function explain(path: TreePath, id: number): PfsError {
  return new PfsError(
    "CONFLICT",
    `${path} was changed by someone else since it was read here (conflict ${id}).`,
    {
      path,
      hint: resolvingHint(id),
    },
  );
}

function explainKept({ code, message }: PfsError, path: TreePath, id: number): PfsError {
  const hint =
    `What was refused is kept in .pfs/conflicts/${id} of each mount of the book${code === "UNAVAILABLE" ? " until a pull finds that the remote has it" : ""}. ` +
    `Save again later, or run \`pfs resolve ${id} --mine\`, which saves it on this machine at once, or --theirs.`;
  return new PfsError(code, `${message} (conflict ${id})`, { path, hint });
}

/** What to do about a conflict. */
export function resolvingHint(id: number): string {
  return (
    `What was refused is kept in .pfs/conflicts/${id} of each mount of the book. Read the file again, put your change ` +
    `into it and save, or run \`pfs resolve ${id} --mine\`, --theirs or --merged.`
  );
}

/** The file of a large draft is the blob's now. */
export function keepShowing(file: OpenFile): void {
  const { draft } = file;
  if (!(draft instanceof FileDraft) || draft.size <= INLINE_MAX_BYTES) return;
  draft.detach();
  file.replaceContent(new ObjectContent(draft.fd, draft.size), draft.size);
}
