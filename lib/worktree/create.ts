/**
 * Owns how names come into being: files, directories, symlinks, fifos and sockets, further names of scratch files. Must
 * never let a path that the schema does not admit come to be (R1).
 */

import { hash as sha256 } from "node:crypto";
import { PfsError, PosixError } from "../../schema/errors.ts";
import { type BlobHash, type FileId, newFileId } from "../../schema/ids.ts";
import { refusedPath } from "../../schema/refused-path.ts";
import { MemoryDraft, readWhole } from "../content.ts";
import { type Actor, FileType, isDirectory, type Node } from "../node.ts";
import { now, type Time } from "../time.ts";
import { requireDraft } from "./draft-limits.ts";
import { classifyName, type NameClass } from "./name-class.ts";
import { JournalMode } from "./node-rows.ts";
import { OpenFile } from "./open-file.ts";
import { recordVersion, storageOf } from "./save.ts";
import type { Tree } from "./tree.ts";

const NEW_DRAFT_BYTES = 16 * 1024;

/** A name in a directory. */
export interface Place {
  readonly parent: FileId;
  readonly name: string;
}

/** Owner and group of what `actor` makes in a directory: a set-group-id directory hands its group down. */
function ownerIn(
  tree: Tree,
  parent: FileId,
  actor: Actor,
): { uid: number; gid: number; setGroupId: boolean } {
  const directory = tree.get(parent);
  const setGroupId = directory !== undefined && (directory.mode & 0o2000) !== 0;
  return { uid: actor.uid, gid: setGroupId ? directory.gid : actor.gid, setGroupId };
}

/**
 * What may be made at a name that must be free.
 * @throws PosixError EEXIST, ENOENT; PfsError SCHEMA_VIOLATION, INVALID_PATH
 */
function classifyNew(
  tree: Tree,
  place: Place,
  type: "file" | "directory" | "symlink",
  actor: Actor,
): NameClass {
  if (tree.lookup(place.parent, place.name) !== undefined) throw new PosixError("EEXIST");
  return classifyOrRefuse(tree, place, type, actor);
}

/** As {@link Tree.classify}, with `invalid` refused. */
export function classifyOrRefuse(
  tree: Tree,
  place: Place,
  type: "file" | "directory" | "symlink",
  actor: Actor,
): "tracked" | "scratch" {
  const startedMs = performance.now();
  const refuse = (error: PfsError): never =>
    tree.refuse(error, { operation: "create", path: error.path ?? place.name, startedMs }, actor);
  let found: NameClass;
  try {
    found = classifyName(tree.book.profile, tree.paths.get(place.parent), place.name, type);
  } catch (error) {
    if (error instanceof PfsError) refuse(error);
    throw error;
  }
  if (found !== "invalid") return found;
  const path = tree.pathOf(place.parent, place.name);
  return refuse(refusedPath(tree.book.profile, path));
}

/** open(2) with O_CREAT of a name that is free. The file is open once. */
export function createFile(tree: Tree, place: Place, mode: number, actor: Actor): OpenFile {
  const kind = classifyNew(tree, place, "file", actor);
  const time = now();
  const { uid, gid } = ownerIn(tree, place.parent, actor);
  const attributes = {
    mode: FileType.file | (mode & 0o7777),
    uid,
    gid,
    atime: undefined,
    mtime: time,
    ctime: time,
  };
  if (kind === "scratch") {
    const fileId = insertScratch(tree, place, attributes.mode, actor);
    // Its times are those of the file that has its bytes, from the beginning: they come from another clock than ours.
    const content = tree.scratchFiles.open(fileId);
    const file = openScratch(tree, { fileId, ...place }, attributes);
    file.replaceContent(content, 0);
    return file;
  }
  requireDraft(tree, () => tree.pathOf(place.parent, place.name));
  // A path that was vacated a moment ago gets its file back: same file id, one update in the log.
  const vacated = tree.vacatedVersion(place);
  const file = new OpenFile(tree, { fileId: vacated?.fileId ?? newFileId(), ...place }, "tracked", {
    hash: vacated?.sha256 ?? null,
    size: 0,
    attributes,
    content: new MemoryDraft(new Uint8Array(0), NEW_DRAFT_BYTES),
  });
  file.dirty = true;
  file.lastWriter = actor;
  tree.openFiles.set(file.fileId, file);
  tree.addNewborn(file);
  tree.touchLater(place.parent, time);
  tree.notify({ type: "entry", ...place }, actor);
  return file;
}

function openScratch(
  tree: Tree,
  place: Place & { fileId: FileId },
  attributes: OpenFile["attributes"],
): OpenFile {
  const file = new OpenFile(tree, place, "scratch", { hash: null, size: 0, attributes, content: undefined });
  tree.openFiles.set(file.fileId, file);
  return file;
}

function insertScratch(tree: Tree, place: Place, mode: number, actor: Actor, target?: Uint8Array): FileId {
  const fileId = newFileId();
  const time = now();
  const { uid, gid } = ownerIn(tree, place.parent, actor);
  tree.store.checkSpace(0);
  tree.store.transaction(() => {
    const node = { mode, uid, gid, ctime: time };
    tree.entries.insert(place.parent, place.name, fileId, target === undefined ? node : { ...node, target });
    tree.touchDirectory(place.parent, time, actor);
  });
  tree.notify({ type: "entry", ...place }, actor);
  return fileId;
}

/** mknod(2). @throws PfsError NOT_PERMITTED for devices */
export function makeNode(tree: Tree, place: Place, mode: number, actor: Actor): Node {
  const type = mode & FileType.mask;
  if (type === FileType.file) {
    const file = createFile(tree, place, mode, actor);
    try {
      file.commit(actor, { durable: false });
    } finally {
      file.release(actor);
    }
    return tree.lookup(place.parent, place.name) as Node;
  }
  if (type !== FileType.fifo && type !== FileType.socket) {
    const path = tree.pathOf(place.parent, place.name);
    const startedMs = performance.now();
    const error = new PfsError("NOT_PERMITTED", `${path} would be a device, which a book cannot hold.`, {
      path,
    });
    tree.refuse(error, { operation: "create", path, startedMs }, actor);
  }
  // Fifos and sockets mean something on this machine only, wherever they are: they live in the worktree as scratch does.
  classifyNew(tree, place, "file", actor);
  insertScratch(tree, place, type | (mode & 0o7777), actor);
  return tree.lookup(place.parent, place.name) as Node;
}

/** mkdir(2). */
export function makeDirectory(tree: Tree, place: Place, mode: number, actor: Actor): Node {
  classifyNew(tree, place, "directory", actor);
  return insertDirectory(tree, place, mode, actor);
}

/** The same at a name where this layer has nothing: in an overlay it may cover a file of the base. */
export function insertDirectory(tree: Tree, place: Place, mode: number, actor: Actor): Node {
  const fileId = newFileId();
  const time = now();
  const { uid, gid, setGroupId } = ownerIn(tree, place.parent, actor);
  const bits = (mode & 0o7777) | (setGroupId ? 0o2000 : 0);
  tree.store.checkSpace(0);
  tree.store.transaction(() => {
    tree.entries.insert(place.parent, place.name, fileId, {
      mode: FileType.directory | bits,
      uid,
      gid,
      ctime: time,
    });
    tree.touchDirectory(place.parent, time, actor, 1);
  });
  tree.notify({ type: "entry", ...place }, actor);
  return tree.get(fileId) as Node;
}

/** symlink(2). */
export function makeSymlink(tree: Tree, place: Place, target: Uint8Array, actor: Actor): Node {
  const kind = classifyNew(tree, place, "symlink", actor);
  if (kind === "scratch") insertScratch(tree, place, FileType.symlink | 0o777, actor, target);
  else recordSymlink(tree, place, target, actor);
  return tree.lookup(place.parent, place.name) as Node;
}

/** Makes a symlink of the book: its target is the blob, as in git. `kept`: what it had as scratch. */
export function recordSymlink(
  tree: Tree,
  place: Place,
  target: Uint8Array,
  actor: Actor,
  kept?: { uid: number; gid: number; mtime: Time },
): void {
  const startedMs = performance.now();
  const path = tree.pathOf(place.parent, place.name);
  const time = now();
  const { uid, gid } = kept ?? ownerIn(tree, place.parent, actor);
  const hash = sha256("sha256", target, "hex") as BlobHash;
  tree.store.transaction(() => {
    const present = tree.version(place);
    tree.blobs.putInline(hash, target);
    const fileId = present?.fileId ?? newFileId();
    const version = {
      path,
      parent: place.parent,
      fileId,
      hash,
      size: target.byteLength,
      mode: JournalMode.symlink,
      mtime: kept?.mtime ?? time,
    };
    recordVersion(
      tree,
      { ...version, storage: storageOf(target.byteLength) },
      present?.sha256 ?? null,
      actor,
      startedMs,
    );
    tree.entries.setInitial(fileId, { mode: FileType.symlink | 0o777, uid, gid }, FileType.symlink | 0o777);
    tree.touchDirectory(place.parent, time, actor);
  });
  tree.notify({ type: "entry", ...place }, actor);
}

/** readlink(2). @throws PosixError EINVAL; PfsError CORRUPT, UNAVAILABLE; Deferred, if `mayDefer`, where its target must be fetched */
export function readSymlink(tree: Tree, fileId: FileId, mayDefer: boolean): Uint8Array {
  const node = tree.get(fileId);
  if (node === undefined) throw new PosixError("ENOENT");
  if ((node.mode & FileType.mask) !== FileType.symlink) throw new PosixError("EINVAL");
  if (node.hash === undefined) return tree.entries.target(fileId) ?? new Uint8Array(0);
  return readWhole(tree.openBlob(node.hash, tree.pathOf(node.parent, node.name), mayDefer));
}

/** link(2): between scratch names only. @throws PfsError NOT_PERMITTED */
export function linkNode(tree: Tree, fileId: FileId, place: Place, actor: Actor): Node {
  const startedMs = performance.now();
  const source = tree.entries.findById(fileId);
  if (tree.lookup(place.parent, place.name) !== undefined) throw new PosixError("EEXIST");
  const path = tree.pathOf(place.parent, place.name);
  const target = classifyName(tree.book.profile, tree.paths.get(place.parent), place.name, "file");
  // How perl and GIO try to make a backup before they rename: nothing that a log should tell, as they go on without.
  if (source === undefined && target === "scratch") throw new PosixError("EPERM");
  if (source === undefined || isDirectory(source.mode ?? 0) || target !== "scratch") {
    const error = new PfsError("NOT_PERMITTED", `${path} would be a hard link, which a book cannot hold.`, {
      path,
      hint: "Copy the file; equal bytes are stored once.",
    });
    tree.refuse(error, { operation: "create", path, startedMs }, actor);
  }
  const time = now();
  tree.store.transaction(() => {
    tree.entries.link(place.parent, place.name, fileId, time);
    tree.touchDirectory(place.parent, time, actor);
  });
  tree.scratchFiles.touch(fileId);
  tree.notify({ type: "entry", ...place }, actor);
  tree.notify({ type: "attributes", fileId }, actor);
  return tree.lookup(place.parent, place.name) as Node;
}
