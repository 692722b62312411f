/**
 * Owns renames across the border of scratch. Into the book: the scratch file's bytes become the next version of the path,
 * which keeps its file id (how atomic writers save). Out of it: the file becomes scratch and its path is vacated (vim's
 * backup dance).
 */
import { PosixError } from "../../schema/errors.ts";
import { type BlobHash, type FileId, newFileId } from "../../schema/ids.ts";
import { INLINE_MAX_BYTES } from "../blobs.ts";
import { FileDraft, InlineContent, MemoryDraft, ObjectContent } from "../content.ts";
import { type Actor, FileType, type Identity, type Node } from "../node.ts";
import { passStep } from "../step.ts";
import { now, type Time } from "../time.ts";
import { recordSymlink } from "./create.ts";
import { defaultMode, type LocalRow } from "./node-rows.ts";
import { attributesOf, OpenFile } from "./open-file.ts";
import { removeLocal, vacate } from "./remove.ts";
import { commitOpen, dropReplaced, placeOpenFile, type Rename } from "./rename.ts";
import { journalModeOf, recordVersion, storageOf, storeCopy, storeDraft } from "./save.ts";
import type { Tree } from "./tree.ts";

/** A scratch file or link gets a name of the book. */
export function moveScratchIntoBook(tree: Tree, rename: Rename, actor: Actor): Identity[] {
  const { from, source } = rename;
  if ((source.mode & FileType.mask) === FileType.symlink) return moveSymlinkIntoBook(tree, rename, actor);
  const open = tree.openFiles.get(source.fileId);
  const file =
    open ??
    new OpenFile(tree, { fileId: source.fileId, ...from }, "scratch", {
      hash: null,
      size: source.size,
      attributes: attributesOf(source),
      content: undefined,
    });
  try {
    return commitOver(tree, rename, file, actor);
  } finally {
    if (open === undefined) file.replaceContent(undefined, file.size);
  }
}

/** The bytes of a scratch file or of one that was never saved become the next version of the target path. */
export function commitOver(tree: Tree, rename: Rename, file: OpenFile, actor: Actor): Identity[] {
  const { from, to, replaced } = rename;
  const startedMs = performance.now();
  const time = now();
  const row = file.state === "scratch" ? tree.entries.find(from.parent, from.name) : undefined;
  const isShared = (row?.nlink ?? 1) > 1;
  const path = tree.pathOf(to.parent, to.name);
  const content = file.content();
  // A scratch file that nobody has written has no bytes on the disk.
  const draft =
    content instanceof InlineContent
      ? new MemoryDraft(content.bytes, 0)
      : (content as FileDraft | MemoryDraft);
  const present = tree.version(to);
  if (draft.size > tree.book.fileSizeLimitBytes) tree.refuseTooLarge(path, actor);
  file.missing.refuse();
  const hash = draft.hash();
  passStep("draft.hashed");
  tree.store.checkSpace(draft.size);
  const attributes = file.state === "scratch" ? attributesOf(tree.get(file.fileId) as Node) : file.attributes;
  const replacedNewborn = tree.newborn(to.parent, to.name);
  // The id of a file that took over a vacated path belongs to that path.
  const keepsId = !isShared && file.hash === null;
  const targetId =
    present?.fileId ?? (keepsId ? file.fileId : (tree.strict.change?.fileIdOf(path) ?? newFileId()));
  const mode = journalModeOf(attributes.mode);
  tree.store.transaction(() => {
    if (isShared || draft.size <= INLINE_MAX_BYTES) storeCopy(tree, hash, draft);
    else storeDraft(tree, hash, file);
    if (replaced !== undefined && replacedNewborn === undefined && !replaced.tracked)
      removeLocal(tree, to, time);
    const version = {
      path,
      parent: to.parent,
      fileId: targetId,
      hash,
      size: draft.size,
      mode,
      mtime: attributes.mtime,
      writtenAt: time,
    };
    recordVersion(
      tree,
      { ...version, storage: storageOf(draft.size) },
      present?.sha256 ?? null,
      actor,
      startedMs,
    );
    if (targetId !== file.fileId) {
      tree.entries.forgetNode(targetId);
      if (!isShared) tree.xattrs.move(file.fileId, targetId);
    }
    if (row !== undefined) removeSource(tree, row, time);
    // A large one's file goes to the blob.
    if (row !== undefined && !isShared && draft.size <= INLINE_MAX_BYTES)
      tree.store.afterCommit(() => tree.scratchFiles.remove(row.fileId));
    tree.entries.setInitial(targetId, attributes, defaultMode(mode));
    tree.touchDirectory(from.parent, time, actor);
    tree.touchDirectory(to.parent, time, actor);
  });
  if (replacedNewborn !== undefined) tree.removeNewborn(replacedNewborn);
  tree.removeNewborn(file);
  const identities = replaced === undefined ? [] : dropReplaced(tree, replaced, actor);
  tree.notify({ type: "content", fileId: targetId }, actor);
  if (isShared) {
    // The kernel's inode still is the scratch file by its other name, so its new name must be looked up again.
    tree.notify({ type: "entry", ...to, not: file.fileId }, undefined);
    return identities;
  }
  if (targetId !== file.fileId) identities.push({ from: file.fileId, to: targetId });
  becomeTracked(tree, file, { fileId: targetId, hash, attributes: { ...attributes, ctime: time } });
  file.parent = to.parent;
  file.name = to.name;
  return identities;
}

function removeSource(tree: Tree, row: LocalRow, time: Time): void {
  if ((row.nlink ?? 1) > 1) tree.entries.remove(row, time);
  else tree.entries.detach(row);
}

/** An open scratch file, or one never saved, now is a file of the book with these bytes committed. */
function becomeTracked(
  tree: Tree,
  file: OpenFile,
  as: { fileId: FileId; hash: BlobHash; attributes: OpenFile["attributes"] },
): void {
  const isOpen = tree.openFiles.get(file.fileId) === file;
  if (isOpen) tree.openFiles.delete(file.fileId);
  const { draft } = file;
  if (draft instanceof FileDraft) {
    if (draft.size > INLINE_MAX_BYTES) {
      draft.detach();
      file.replaceContent(new ObjectContent(draft.fd, draft.size), draft.size);
    } else {
      const bytes = Buffer.alloc(draft.size);
      draft.read(0, bytes);
      file.replaceContent(new InlineContent(bytes), bytes.byteLength);
    }
  }
  file.fileId = as.fileId;
  file.state = "tracked";
  file.hash = as.hash;
  file.attributes = as.attributes;
  file.dirty = false;
  if (isOpen) tree.openFiles.set(as.fileId, file);
}

function moveSymlinkIntoBook(tree: Tree, rename: Rename, actor: Actor): Identity[] {
  const { from, to, source, replaced } = rename;
  const target = tree.entries.target(source.fileId) ?? new Uint8Array(0);
  const time = now();
  const newborn = tree.newborn(to.parent, to.name);
  tree.store.transaction(() => {
    if (replaced?.tracked === true) tree.entries.forgetNode(replaced.fileId);
    else if (replaced !== undefined && newborn === undefined) removeLocal(tree, to, time);
    removeLocal(tree, from, time);
    const { uid, gid, mtime } = attributesOf(source);
    recordSymlink(tree, to, target, actor, { uid, gid, mtime });
    tree.touchDirectory(from.parent, time, actor);
  });
  if (newborn !== undefined) tree.removeNewborn(newborn);
  const identities = replaced === undefined ? [] : dropReplaced(tree, replaced, actor);
  if (source.nlink > 1) {
    tree.notify({ type: "entry", ...to, not: source.fileId }, undefined);
    return identities;
  }
  const made = tree.lookup(to.parent, to.name) as Node;
  return [...identities, { from: source.fileId, to: made.fileId }];
}

/** A file of the book gets a scratch name: it becomes scratch, and its path is vacated. */
export function moveOutOfBook(tree: Tree, rename: Rename, actor: Actor): Identity[] {
  const { from, to, replaced } = rename;
  const newborn = tree.newborn(from.parent, from.name);
  if (newborn === undefined) commitOpen(tree, from, actor);
  const source = tree.lookup(from.parent, from.name);
  if (source === undefined) throw new PosixError("ENOENT");
  const file = tree.openFiles.get(source.fileId);
  const path = tree.pathOf(from.parent, from.name);
  const time = now();
  const keepsId = newborn?.hash === null;
  const scratchId = keepsId ? source.fileId : newFileId();
  const { mode, uid, gid, atime, mtime } = file?.attributes ?? attributesOf(source);
  const isSymlink = (source.mode & FileType.mask) === FileType.symlink;
  const bytes =
    isSymlink || file === undefined ? tree.openBlob(source.hash as BlobHash, path) : file.content();
  try {
    tree.store.transaction(() => {
      tree.store.afterRollback(() => tree.scratchFiles.remove(scratchId));
      if (!isSymlink) tree.scratchFiles.createFrom(scratchId, bytesOrFile(tree, source, bytes), mtime);
      if (replaced !== undefined) removeLocal(tree, to, time);
      if (scratchId !== source.fileId) tree.xattrs.move(source.fileId, scratchId);
      if (newborn === undefined) vacate(tree, from, source, actor, time, scratchId);
      const attributes = { mode: isSymlink ? source.mode : mode, uid, gid, ctime: time };
      tree.entries.insert(to.parent, to.name, scratchId, {
        ...attributes,
        ...(atime === undefined ? {} : { atime }),
        ...(isSymlink ? { target: (bytes as InlineContent).bytes } : {}),
      });
      tree.touchDirectory(to.parent, time, actor);
    });
  } finally {
    if (file === undefined || isSymlink) bytes.close();
  }
  if (newborn !== undefined) {
    tree.removeNewborn(newborn);
    tree.touchLater(from.parent, time);
  }
  const identities = replaced === undefined ? [] : dropReplaced(tree, replaced, actor);
  if (file !== undefined) becomeScratch(tree, file, scratchId);
  placeOpenFile(tree, scratchId, to);
  if (scratchId !== source.fileId) identities.push({ from: source.fileId, to: scratchId });
  return identities;
}

/** What a new scratch file is made from: the file of a large blob or large draft, else the bytes. */
function bytesOrFile(
  tree: Tree,
  source: Node,
  content: { size: number; read(o: number, t: Uint8Array): number },
): string | Uint8Array {
  if (content instanceof ObjectContent) return tree.blobs.objectPath(source.hash as BlobHash);
  if (content instanceof FileDraft) return content.path;
  const bytes = new Uint8Array(content.size);
  content.read(0, bytes);
  return bytes;
}

function becomeScratch(tree: Tree, file: OpenFile, scratchId: FileId): void {
  tree.openFiles.delete(file.fileId);
  file.replaceContent(undefined, file.size);
  file.fileId = scratchId;
  file.state = "scratch";
  file.hash = null;
  file.dirty = false;
  file.refused = undefined;
  tree.openFiles.set(scratchId, file);
}
