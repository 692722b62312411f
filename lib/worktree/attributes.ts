/**
 * Owns changes of attributes: what the book keeps (executable bit, modification time) is a row of the log, the rest is
 * this machine's worktree. Must never change bytes other than by truncation.
 */
import { PosixError } from "../../schema/errors.ts";
import type { FileId } from "../../schema/ids.ts";
import { futimens } from "../libc.ts";
import { type Actor, type AttributeChange, FileType, type Node } from "../node.ts";
import { compareTimes, fromNanoseconds, now } from "../time.ts";
import { showsBase } from "./current-version.ts";
import type { LocalAttributes } from "./entries.ts";
import { JournalMode } from "./node-rows.ts";
import type { OpenFile } from "./open-file.ts";
import { journalModeOf, recordVersion } from "./save.ts";
import type { Tree } from "./tree.ts";

/** Permission bits of st_mode. */
const PERMISSIONS = 0o7777;

/**
 * chmod(2), chown(2), utimensat(2), truncate(2) by path.
 * @throws PosixError ENOENT, EISDIR, EINVAL; PfsError as a save
 */
export function setAttributes(
  tree: Tree,
  fileId: FileId,
  change: AttributeChange,
  actor: Actor,
  openAs: (id: FileId) => OpenFile,
): Node {
  const node = tree.get(fileId);
  if (node === undefined) throw new PosixError("ENOENT");
  if (change.size !== undefined) truncateByPath(node, change.size, actor, openAs);
  const time = now();
  const local: LocalAttributes = {
    ctime: time,
    ...(change.mode === undefined ? {} : { mode: (node.mode & FileType.mask) | (change.mode & PERMISSIONS) }),
    ...(change.uid === undefined ? {} : { uid: change.uid }),
    ...(change.gid === undefined ? {} : { gid: change.gid }),
    ...(change.atime === undefined ? {} : { atime: change.atime === "now" ? time : change.atime }),
    ...(change.mtime === undefined ? {} : { mtime: change.mtime === "now" ? time : change.mtime }),
  };
  // The truncation has seen to the times. With nothing to change at all, as in chown(path, -1, -1), the ctime moves.
  if (change.size !== undefined && Object.keys(local).length === 1) return tree.get(fileId) as Node;
  const file = tree.openFiles.get(fileId);
  if (file?.state === "orphan") applyInMemory(file, local);
  else if (file?.state === "tracked" && tree.newborn(file.parent, file.name) === file)
    applyInMemory(file, local);
  else if (node.nlink === 0) setOrphan(tree, node, local);
  else if (node.tracked) setTracked(tree, node, file, local, actor);
  else setLocal(tree, node, local);
  tree.notify({ type: "attributes", fileId }, actor);
  return tree.get(fileId) as Node;
}

function truncateByPath(node: Node, size: number, actor: Actor, openAs: (id: FileId) => OpenFile): void {
  const type = node.mode & FileType.mask;
  if (type === FileType.directory) throw new PosixError("EISDIR");
  if (type !== FileType.file) throw new PosixError("EINVAL");
  const file = openAs(node.fileId);
  try {
    // While somebody is writing, this is a part of that draft; else it is a save of its own, wholly or not at all.
    if (file.dirty) {
      file.truncate(size, actor);
      return;
    }
    const restore = file.capture();
    file.truncate(size, actor);
    try {
      file.commit(actor, { durable: false });
    } catch (error) {
      if (file.refused === undefined) restore();
      throw error;
    }
  } finally {
    file.release(actor);
  }
}

function applyInMemory(file: OpenFile, local: LocalAttributes): void {
  const { attributes } = file;
  if (local.mode !== undefined) attributes.mode = local.mode;
  if (local.uid !== undefined) attributes.uid = local.uid;
  if (local.gid !== undefined) attributes.gid = local.gid;
  if (local.atime !== undefined) attributes.atime = local.atime;
  if (local.ctime !== undefined) attributes.ctime = local.ctime;
  if (local.mtime !== undefined) {
    // Setting the modification time alone leaves the access time, which follows it by default, where it was.
    attributes.atime ??= attributes.mtime;
    attributes.mtime = local.mtime;
  }
}

function setOrphan(tree: Tree, node: Node, local: LocalAttributes): void {
  const { mode = node.mode, uid = node.uid, gid = node.gid } = local;
  tree.orphans.set(node.fileId, { ...node, mode, uid, gid });
}

function setLocal(tree: Tree, node: Node, local: LocalAttributes): void {
  const isFile = (node.mode & FileType.mask) === FileType.file;
  tree.store.transaction(() => tree.entries.setAttributes(node.fileId, withAtime(node, local)));
  if (local.mtime !== undefined) tree.takeTouched(node.fileId);
  if (!isFile) return;
  if (local.mtime === undefined) {
    tree.scratchFiles.touch(node.fileId);
    return;
  }
  const open = tree.scratchFiles.open(node.fileId);
  try {
    futimens(open.fd, local.mtime, local.mtime);
  } finally {
    open.close();
  }
}

function setTracked(
  tree: Tree,
  node: Node,
  file: OpenFile | undefined,
  local: LocalAttributes,
  actor: Actor,
): void {
  const startedMs = performance.now();
  const { mtime, ...onlyHere } = withAtime(node, local);
  const isSymlink = (node.mode & FileType.mask) === FileType.symlink;
  const path = tree.pathOf(node.parent, node.name);
  tree.store.transaction(() => {
    tree.entries.setAttributes(node.fileId, onlyHere);
    const row = tree.version(node);
    // Whoever has it open still, while it shows to nobody: the base has moved it beneath something of this overlay's.
    const isShown =
      tree.shared === undefined || tree.journal.get(path) !== undefined || showsBase(tree, node);
    if (row === undefined || !isShown) throw new PosixError("ENOENT");
    const mode = isSymlink ? JournalMode.symlink : journalModeOf(local.mode ?? node.mode);
    // The time of a draft goes with its save.
    const kept = fromNanoseconds(row.mtime);
    const newMtime = file?.dirty === true ? kept : (mtime ?? kept);
    if (mode === row.mode && compareTimes(newMtime, kept) === 0) return;
    const version = {
      path,
      parent: node.parent,
      fileId: node.fileId,
      hash: row.sha256,
      size: row.size,
      mode,
      mtime: newMtime,
      writtenAt: local.ctime ?? now(),
      storage: row.storage,
    };
    recordVersion(tree, version, row.sha256, actor, startedMs);
  });
  if (file !== undefined) applyInMemory(file, local);
}

/** Setting the modification time alone leaves the access time, which follows it by default, where it was. */
function withAtime(node: Node, local: LocalAttributes): LocalAttributes {
  if (local.mtime === undefined || local.atime !== undefined) return local;
  return { ...local, atime: { seconds: node.atimeSeconds, nanoseconds: node.atimeNanoseconds } };
}
