/**
 * Owns the save: the draft of an open file becomes blob, journal row and log row in one transaction, if the journal still
 * has the version that the draft began with (W1). Must be the only way by which bytes enter the journal.
 */
import { fsyncSync } from "node:fs";
import type { BlobHash, FileId } from "../../schema/ids.ts";
import { baseNameOf, type TreePath } from "../../schema/paths.ts";
import { INLINE_MAX_BYTES, type StorageBackend } from "../blobs.ts";
import type { CommitOptions } from "../book-tree.ts";
import { type Draft, FileDraft, MemoryDraft, ObjectContent } from "../content.ts";
import type { JournalRow } from "../journal.ts";
import type { Actor } from "../node.ts";
import { passStep } from "../step.ts";
import { StrictRefusal, type TakenVersion } from "../strict-change.ts";
import { fromNanoseconds, now, type Time, toNanoseconds } from "../time.ts";
import type { Place } from "./create.ts";
import { showsBase } from "./current-version.ts";
import { keepConflict, type RefusedSave } from "./keep-conflict.ts";
import { defaultMode, JournalMode } from "./node-rows.ts";
import type { OpenFile } from "./open-file.ts";
import { settle, settleAround } from "./remove.ts";
import type { Tree } from "./tree.ts";

/** A version of a path that is to become the current one. */
export interface Version {
  readonly path: TreePath;
  readonly parent: FileId;
  /** For a path that has no file yet. */
  readonly fileId: FileId;
  readonly hash: BlobHash;
  /** Bytes. */
  readonly size: number;
  /** Of the journal: 100644, 100755, 120000 (octal). */
  readonly mode: number;
  readonly mtime: Time;
  /** When it was written, which is its ctime; default: now. */
  readonly writtenAt?: Time;
  readonly storage: StorageBackend;
}

export type Recorded = "created" | "updated" | "attributes" | "unchanged";

/** Thrown within the transaction, so that it is undone, when the journal has moved on. */
class MovedOn {
  readonly current: JournalRow | undefined;

  constructor(current: JournalRow | undefined) {
    this.current = current;
  }
}

/** Journal mode of a file with these permission bits. */
export function journalModeOf(mode: number): number {
  return (mode & 0o100) === 0 ? JournalMode.file : JournalMode.executable;
}

/** Where a blob of this size is kept. */
export function storageOf(sizeBytes: number): StorageBackend {
  return sizeBytes > INLINE_MAX_BYTES ? "object" : "inline";
}

/**
 * Writes journal and log for one path. Only within a transaction; the blob is there already. The caller tells others.
 * @param base hash of the version it builds on; null when there must be none
 * @throws MovedOn when the journal has another version
 */
export function recordVersion(
  tree: Tree,
  version: Version,
  base: BlobHash | null,
  actor: Actor,
  startedMs: number,
): Recorded {
  const own = tree.journal.get(version.path);
  // In an overlay: the base's version that shows there, until this one covers it.
  const shown = own === undefined ? findCovered(tree, placeOf(version)) : undefined;
  // Who has seen that there is none is not in the way of one that the base has removed a moment ago.
  const isLeaving = base === null && shown?.parent === null && !tree.vacancies.has(version.path);
  const covered = isLeaving ? undefined : shown;
  const present = own ?? covered;
  if ((present?.sha256 ?? null) !== base) throw new MovedOn(present);
  const row: JournalRow = {
    path: version.path,
    sha256: version.hash,
    size: version.size,
    mode: version.mode,
    mtime: toNanoseconds(version.mtime),
    fileId: present?.fileId ?? version.fileId,
    storage: version.storage,
    writtenAt: toNanoseconds(version.writtenAt ?? now()),
    parent: version.parent,
    base: covered?.sha256 ?? own?.base ?? null,
  };
  const wasVacated =
    own === undefined ? covered !== undefined && tree.vacancies.has(version.path) : own.parent === null;
  const sameBytes = present?.sha256 === row.sha256;
  const sameAll = sameBytes && present.mode === row.mode && present.mtime === row.mtime;
  if (sameAll && !wasVacated) return "unchanged";
  if (wasVacated) tree.vacancies.remove(version.path);
  // The base's file shows again as it was.
  if (sameAll && own === undefined) return "attributes";
  // Users who have removed it a moment ago had seen it as it was.
  for (const overlay of tree.overlays)
    if (overlay.vacancies.count > 0) settle(overlay, version.path, startedMs);
  if (own === undefined) {
    settleAround(tree, version.path, startedMs);
    tree.journal.insert(row);
    if (covered !== undefined) {
      tree.entries.copyUp(row.fileId);
      tree.xattrs.copyUp(row.fileId);
    }
  } else if (!tree.journal.update(row, own.sha256)) {
    throw new MovedOn(tree.journal.get(version.path));
  }
  passStep("journal.written");
  // A vacated path has its file back as it was: nothing happened that the log should tell.
  if (sameAll) return "attributes";
  const operation = own === undefined ? "create" : sameBytes ? "attributes" : "update";
  tree.log.append(
    {
      operation,
      bookId: tree.book.bookId,
      path: row.path,
      userId: tree.layer,
      prevHash: own?.sha256 ?? null,
      newHash: row.sha256,
      startedMs,
      fileId: row.fileId,
      size: row.size,
      mode: row.mode,
      mtime: row.mtime.toString(),
      base: row.base,
    },
    actor,
  );
  if (present === undefined) return "created";
  return sameBytes ? "attributes" : "updated";
}

/** What the base has at a place of an overlay that has no version of its own there. */
function findCovered(tree: Tree, place: Place): JournalRow | undefined {
  return tree.shared === undefined || !showsBase(tree, place) ? undefined : tree.version(place);
}

function placeOf({ parent, path }: Version): Place {
  return { parent, name: baseNameOf(path) };
}

/** FLUSH and FSYNC of an open file. @throws as {@link OpenFile.commit} */
export function saveFile(
  tree: Tree,
  file: OpenFile,
  actor: Actor,
  options: CommitOptions,
): "committed" | "unchanged" {
  if (file.state === "orphan") return "unchanged";
  if (file.state === "scratch") {
    if (options.durable) syncScratch(tree, file);
    return "unchanged";
  }
  if (file.refused !== undefined) throw file.refused;
  const outcome = file.dirty ? saveDraft(tree, file, actor, options.mayDefer) : "unchanged";
  if (options.durable) tree.store.sync();
  return outcome;
}

function syncScratch(tree: Tree, file: OpenFile): void {
  const fd = file.content().fd;
  if (fd !== undefined) fsyncSync(fd);
  tree.store.sync();
}

function saveDraft(tree: Tree, file: OpenFile, actor: Actor, mayDefer = false): "committed" | "unchanged" {
  const startedMs = performance.now();
  file.missing.refuse();
  const { draft } = file;
  if (mayDefer && draft instanceof FileDraft) draft.deferHashing();
  const hash = draft?.hash() ?? (file.hash as BlobHash);
  passStep("draft.hashed");
  const path = tree.pathOf(file.parent, file.name);
  const whole: Version = {
    path,
    parent: file.parent,
    fileId: file.fileId,
    hash,
    size: file.size,
    mode: journalModeOf(file.attributes.mode),
    mtime: file.attributes.mtime,
    // What fstat(2) said before close stays true after it: git compares both.
    writtenAt: file.attributes.ctime,
    storage: storageOf(file.size),
  };
  // What has been written since is the next version's.
  const taken = tree.strict.change?.taken(path);
  const isPart = taken !== undefined && (taken.hash !== hash || taken.mode !== whole.mode);
  const version = taken === undefined ? whole : asTaken(tree, whole, taken);
  const newborn = tree.newborn(file.parent, file.name);
  const isNew = newborn === file;
  // The base has removed it, and another file, which is yet to be saved, was made there.
  if (newborn !== undefined && !isNew)
    refuseSave(tree, { file, version: whole, current: undefined, actor, startedMs });
  // The very bytes that were there mend them if they have been damaged.
  const isStored = draft !== undefined && (hash !== file.hash || !tree.blobs.isSound(hash));
  let recorded: Recorded;
  try {
    recorded = tree.store.transaction(() => {
      if (isPart) storeTaken(tree, taken);
      else if (isStored) storeDraft(tree, hash, file);
      const result = recordVersion(tree, version, file.hash, actor, startedMs);
      if (isNew) {
        tree.entries.setInitial(file.fileId, file.attributes, defaultMode(version.mode));
        const created = tree.takeTouched(file.parent);
        if (created !== undefined) {
          tree.store.afterRollback(() => tree.touchLater(file.parent, created));
          tree.touchDirectory(file.parent, created, actor);
        }
      }
      return result;
    });
  } catch (error) {
    if (error instanceof StrictRefusal)
      refuseSave(tree, {
        file,
        version: whole,
        current: tree.version(file),
        actor,
        startedMs,
        reason: error,
      });
    if (!(error instanceof MovedOn)) throw error;
    if (taken !== undefined) {
      // The remote has it: the pull that brings it puts it upon what was done here meanwhile.
      if (isNew) tree.removeNewborn(file);
      file.hash = taken.hash;
      file.dirty = isPart;
      return "committed";
    }
    if (!isNew && error.current?.sha256 === hash) {
      // Somebody else has saved the very same bytes: nothing would be lost.
      file.hash = hash;
      return saveDraft(tree, file, actor);
    }
    refuseSave(tree, { file, version, current: error.current, actor, startedMs });
  }
  if (isNew) tree.removeNewborn(file);
  if (isPart) file.hash = taken.hash;
  else settleDraft(file, hash, isStored);
  if (taken !== undefined && !isPart) file.attributes.mtime = version.mtime;
  tree.notify({ type: "content", fileId: file.fileId }, actor);
  if (isNew) tree.notify({ type: "entry", parent: file.parent, name: file.name }, actor);
  return recorded === "unchanged" ? "unchanged" : "committed";
}

/** A draft's version as the shared log has it: what is written anew in a later try has another time. */
function asTaken(tree: Tree, version: Version, { hash, size, mode, mtime, bytes }: TakenVersion): Version {
  const isHere = hash === version.hash || bytes !== undefined || tree.blobs.has(hash);
  const storage = isHere ? storageOf(size) : "remote";
  return { ...version, hash, size, mode, mtime: fromNanoseconds(mtime), storage };
}

/** Only within a transaction. */
function storeTaken({ blobs }: Tree, { hash, bytes }: TakenVersion): void {
  if (bytes !== undefined) blobs.putInline(hash, bytes);
}

/** The draft was saved as `hash`; if it was stored, a large one's file is the blob's now. */
function settleDraft(file: OpenFile, hash: BlobHash, isStored: boolean): void {
  const { draft } = file;
  if (draft instanceof FileDraft && draft.size > INLINE_MAX_BYTES) {
    if (!isStored) file.replaceContent(undefined, draft.size);
    else {
      draft.detach();
      file.replaceContent(new ObjectContent(draft.fd, draft.size), draft.size);
    }
  }
  file.hash = hash;
  file.dirty = false;
}

/** Stores a draft's bytes as the blob `hash`. Only within a transaction. */
export function storeDraft(tree: Tree, hash: BlobHash, file: OpenFile): void {
  const { draft } = file;
  if (draft instanceof MemoryDraft) {
    tree.blobs.putInline(hash, draft.bytes);
  } else if (draft instanceof FileDraft && draft.size > INLINE_MAX_BYTES) {
    tree.blobs.adoptFile(hash, draft.path, draft.fd, draft.size);
  } else if (draft !== undefined) {
    const bytes = Buffer.alloc(draft.size);
    draft.read(0, bytes);
    tree.blobs.putInline(hash, bytes);
  }
}

/** The same of a draft whose file others go on using, or that has no name any more. Only within a transaction. */
export function storeCopy(tree: Tree, hash: BlobHash, draft: Draft): void {
  if (draft instanceof FileDraft && draft.size > INLINE_MAX_BYTES) {
    const copy = tree.scratchFiles.copyDraft(`/proc/self/fd/${draft.fd}`);
    tree.store.afterRollback(() => copy.close());
    tree.blobs.adoptFile(hash, copy.path, copy.fd, copy.size);
    tree.store.afterCommit(() => copy.closeDetached());
    return;
  }
  const bytes = Buffer.alloc(draft.size);
  draft.read(0, bytes);
  tree.blobs.putInline(hash, bytes);
}

function refuseSave(tree: Tree, refused: RefusedSave): never {
  const { file, version, actor } = refused;
  const error = keepConflict(tree, refused);
  file.refused = error;
  // Whoever opens the path from now on gets the current version; only the handles that are open see what was refused.
  const wasNew = tree.newborn(file.parent, file.name) === file;
  dropOpenFile(tree, file);
  tree.notify({ type: "content", fileId: file.fileId }, undefined);
  if (wasNew) tree.notify({ type: "entry", parent: file.parent, name: file.name }, undefined);
  tree.refusals.record(error, version.path, actor);
  throw error;
}

/** The last handle of a file is gone: saves what is left and forgets the file. */
export function releaseFile(tree: Tree, file: OpenFile, actor: Actor): void {
  const wasNew = tree.newborn(file.parent, file.name) === file;
  try {
    // Bytes that are missing were refused at each close before.
    const isWhole = file.refused === undefined && file.missing.isEmpty;
    if (file.dirty && isWhole && file.state === "tracked") saveDraft(tree, file, actor);
  } finally {
    dropOpenFile(tree, file);
    if (file.dirty && file.refused === undefined) {
      // A save that nobody waited for has failed (a full disk): every kernel must learn that its bytes are gone.
      tree.notify({ type: "content", fileId: file.fileId }, undefined);
      if (wasNew) tree.notify({ type: "entry", parent: file.parent, name: file.name }, undefined);
    }
    // Whoever still asks about a removed file gets what it was at last.
    if (file.state === "orphan" && tree.orphans.has(file.fileId)) tree.orphans.set(file.fileId, file.node());
  }
}

function dropOpenFile(tree: Tree, file: OpenFile): void {
  if (tree.openFiles.get(file.fileId) === file) tree.openFiles.delete(file.fileId);
  tree.removeNewborn(file);
}
