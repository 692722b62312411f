/**
 * Owns rename(2): which of the many renames it is, and what must hold before. Moving within the book, within scratch, and
 * across that border are in files of their own.
 */
import { PosixError } from "../../schema/errors.ts";
import { type FileId, newFileId } from "../../schema/ids.ts";
import { type Actor, FileType, type Identity, isDirectory, type Node } from "../node.ts";
import { now, type Time } from "../time.ts";
import { classifyOrRefuse, type Place } from "./create.ts";
import { classifyName } from "./name-class.ts";
import { forgetDirectory, isEmpty, makeOrphan, removeLocal, vacate } from "./remove.ts";
import { moveOutOfBook, moveScratchIntoBook } from "./rename-border.ts";
import { exchangeTracked, moveDirectory, moveNewborn, moveTracked } from "./rename-tracked.ts";
import type { Tree } from "./tree.ts";

export interface RenameFlags {
  readonly noReplace: boolean;
  readonly exchange: boolean;
}

/** One rename, with what is at both names. */
export interface Rename {
  readonly from: Place;
  readonly to: Place;
  readonly source: Node;
  /** What is at the target name and will be replaced. */
  readonly replaced: Node | undefined;
}

/**
 * rename(2) and renameat2(2).
 * @throws PosixError ENOENT, EEXIST, EISDIR, ENOTDIR, ENOTEMPTY, EINVAL, EXDEV (a directory across the border of scratch);
 *   PfsError SCHEMA_VIOLATION, INVALID_PATH, CONFLICT
 */
export function rename(tree: Tree, from: Place, to: Place, flags: RenameFlags, actor: Actor): Identity[] {
  const source = tree.lookup(from.parent, from.name);
  if (source === undefined) throw new PosixError("ENOENT");
  const replaced = tree.lookup(to.parent, to.name);
  if (flags.noReplace && replaced !== undefined) throw new PosixError("EEXIST");
  if (flags.exchange && replaced === undefined) throw new PosixError("ENOENT");
  if (replaced?.fileId === source.fileId) return [];
  if (isDirectory(source.mode)) refuseIntoItself(tree, source.fileId, to.parent);
  if (flags.exchange && replaced !== undefined) {
    if (isDirectory(replaced.mode)) refuseIntoItself(tree, replaced.fileId, from.parent);
    const identities = exchange(tree, { from, to, source, replaced }, actor);
    tellNames(tree, from, to, actor);
    return identities;
  }
  if (replaced !== undefined) refuseWrongType(tree, source, replaced);
  tree.store.checkSpace(0);
  const identities = move(tree, { from, to, source, replaced }, actor);
  tellNames(tree, from, to, actor);
  return identities;
}

/**
 * What leaves the book becomes scratch, for which its bytes are needed. To be called by whoever can come back.
 * @throws Deferred where they must be fetched first; PfsError UNAVAILABLE, CORRUPT: they cannot be
 */
export function prepareRename(tree: Tree, from: Place, to: Place, { exchange }: RenameFlags): void {
  if (!tree.blobs.mayLack) return;
  for (const [place, target] of exchange
    ? ([
        [from, to],
        [to, from],
      ] as const)
    : ([[from, to]] as const)) {
    const node = tree.lookup(place.parent, place.name);
    if (node?.hash === undefined || tree.openFiles.get(node.fileId)?.dirty === true) continue;
    const { profile } = tree.book;
    const isLeaving =
      classifyName(profile, tree.paths.get(target.parent), target.name, typeOf(node)) === "scratch";
    if (isLeaving) tree.blobs.deferFetching(node.hash);
  }
}

function move(tree: Tree, rename: Rename, actor: Actor): Identity[] {
  const { from, to, source } = rename;
  const type = source.mode & FileType.mask;
  if (type === FileType.fifo || type === FileType.socket) {
    classifyOrRefuse(tree, to, "file", actor);
    return moveLocal(tree, rename, actor);
  }
  if (type === FileType.directory) {
    const target = classifyOrRefuse(tree, to, "directory", actor);
    const isScratch = tree.paths.get(source.fileId).scratch;
    // mv(1) copies on EXDEV, so every file of it passes the checks of its own.
    if (isScratch !== (target === "scratch")) throw new PosixError("EXDEV");
    return isScratch ? moveLocal(tree, rename, actor) : moveDirectory(tree, rename, actor);
  }
  const target = classifyOrRefuse(tree, to, type === FileType.symlink ? "symlink" : "file", actor);
  const newborn = tree.newborn(from.parent, from.name);
  if (newborn !== undefined) {
    return target === "tracked"
      ? moveNewborn(tree, rename, newborn, actor)
      : moveOutOfBook(tree, rename, actor);
  }
  if (source.tracked)
    return target === "tracked" ? moveTracked(tree, rename, actor) : moveOutOfBook(tree, rename, actor);
  return target === "tracked" ? moveScratchIntoBook(tree, rename, actor) : moveLocal(tree, rename, actor);
}

/** Moves scratch (a file, a link, a whole directory), a fifo or a socket to a name that stays scratch. */
function moveLocal(tree: Tree, rename: Rename, actor: Actor): Identity[] {
  const { from, to, source, replaced } = rename;
  const time = now();
  const links = isDirectory(source.mode) ? 1 : 0;
  const row = tree.entries.find(from.parent, from.name);
  if (row === undefined) throw new PosixError("ENOENT");
  const replacedNewborn = tree.newborn(to.parent, to.name);
  tree.store.transaction(() => {
    if (replaced !== undefined && replacedNewborn === undefined) {
      if (replaced.tracked) vacate(tree, to, replaced, actor, time);
      else removeLocal(tree, to, time);
    }
    tree.entries.move(row, to.parent, to.name);
    tree.entries.setAttributes(source.fileId, { ctime: time });
    tree.touchDirectory(from.parent, time, actor, -links);
    tree.touchDirectory(to.parent, time, actor, replaced !== undefined && links === 1 ? 0 : links);
  });
  tree.scratchFiles.touch(source.fileId);
  if (replacedNewborn !== undefined) tree.removeNewborn(replacedNewborn);
  if (links === 1) tree.paths.forgetAll();
  placeOpenFile(tree, source.fileId, to);
  return replaced === undefined ? [] : dropReplaced(tree, replaced, actor);
}

/** What was at the target name is gone: whoever has it open keeps it. */
export function dropReplaced(tree: Tree, replaced: Node, actor: Actor): Identity[] {
  if (isDirectory(replaced.mode)) {
    forgetDirectory(tree, replaced, actor);
    return [];
  }
  return replaced.nlink > 1 ? [] : makeOrphan(tree, replaced, actor);
}

/** Whoever has a file open learns of its new name, and of the time of the rename if that changed the file's ctime. */
export function placeOpenFile(tree: Tree, fileId: FileId, place: Place, time?: Time): void {
  const file = tree.openFiles.get(fileId);
  if (file === undefined) return;
  const { parent, name } = file;
  const { ctime } = file.attributes;
  const put = (at: Place, changed: Time): void => {
    file.parent = at.parent;
    file.name = at.name;
    file.attributes.ctime = changed;
  };
  put(place, time ?? ctime);
  // The rename may be a part of something larger that is undone as a whole.
  if (tree.store.isWriting) tree.store.afterRollback(() => put({ parent, name }, ctime));
}

function exchange(tree: Tree, rename: Rename & { replaced: Node }, actor: Actor): Identity[] {
  const { from, to } = rename;
  for (const place of [from, to]) commitOpen(tree, place, actor);
  const source = tree.lookup(from.parent, from.name);
  const replaced = tree.lookup(to.parent, to.name);
  if (source === undefined || replaced === undefined) throw new PosixError("ENOENT");
  const sourceTarget = classifyOrRefuse(tree, to, typeOf(source), actor);
  const replacedTarget = classifyOrRefuse(tree, from, typeOf(replaced), actor);
  const sourceScratch = isScratch(tree, source);
  const replacedScratch = isScratch(tree, replaced);
  if (!sourceScratch && !replacedScratch && sourceTarget === "tracked" && replacedTarget === "tracked") {
    return exchangeTracked(tree, { from, to, source, replaced }, actor);
  }
  const staysLocal = (node: Node, target: string) =>
    !node.tracked && (target === "scratch" || isSpecial(node));
  if (staysLocal(source, sourceTarget) && staysLocal(replaced, replacedTarget))
    return exchangeLocal(tree, from, to, actor);
  if (isDirectory(source.mode) || isDirectory(replaced.mode)) throw new PosixError("EXDEV");
  return exchangeAcrossBorder(tree, { from, to, source, replaced }, actor);
}

/** Through a third name, in one transaction: no moment of it is ever seen. */
function exchangeAcrossBorder(tree: Tree, { from, to, source, replaced }: Rename, actor: Actor): Identity[] {
  refuseTooLarge(tree, source, to, actor);
  if (replaced !== undefined) refuseTooLarge(tree, replaced, from, actor);
  const aside: Place = { parent: to.parent, name: `.${newFileId()}.tmp.pfs` };
  const flags = { noReplace: true, exchange: false };
  const open = [source, replaced].flatMap((node) => tree.openFiles.get(node?.fileId as FileId) ?? []);
  const restores = open.map((file) => file.capture());
  return tree.store.transaction(() => {
    tree.store.afterRollback(() => {
      for (const file of open) tree.openFiles.delete(file.fileId);
      for (const restore of restores) restore();
      for (const file of open) tree.openFiles.set(file.fileId, file);
    });
    return compose([
      ...rename(tree, to, aside, flags, actor),
      ...rename(tree, from, to, flags, actor),
      ...rename(tree, aside, from, flags, actor),
    ]);
  });
}

/** Scratch that is to be a file of the book; before the transaction, which would undo the log of the refusal. */
function refuseTooLarge(tree: Tree, node: Node, place: Place, actor: Actor): void {
  if (!node.tracked && node.size > tree.book.fileSizeLimitBytes)
    tree.refuseTooLarge(tree.pathOf(place.parent, place.name), actor);
}

/** Identities that happened one after the other as one simultaneous substitution. */
function compose(identities: readonly Identity[]): Identity[] {
  const result = new Map<FileId, FileId>();
  for (const { from, to } of identities) {
    const origin = [...result].find(([, current]) => current === from)?.[0];
    result.set(origin ?? from, to);
  }
  return [...result].filter(([from, to]) => from !== to).map(([from, to]) => ({ from, to }));
}

function exchangeLocal(tree: Tree, from: Place, to: Place, actor: Actor): Identity[] {
  const time = now();
  const a = tree.entries.find(from.parent, from.name);
  const b = tree.entries.find(to.parent, to.name);
  if (a === undefined || b === undefined) throw new PosixError("ENOENT");
  const links = Number(isDirectory(b.mode ?? 0)) - Number(isDirectory(a.mode ?? 0));
  const aside = `\u0000${newFileId()}`;
  tree.store.transaction(() => {
    tree.entries.move(a, to.parent, aside);
    tree.entries.move(b, from.parent, from.name);
    tree.entries.move({ ...a, parent: to.parent, name: aside }, to.parent, to.name);
    for (const { fileId } of [a, b]) tree.entries.setAttributes(fileId, { ctime: time });
    tree.touchDirectory(from.parent, time, actor, links);
    tree.touchDirectory(to.parent, time, actor, -links);
  });
  for (const { fileId } of [a, b]) tree.scratchFiles.touch(fileId);
  tree.paths.forgetAll();
  placeOpenFile(tree, a.fileId, to);
  placeOpenFile(tree, b.fileId, from);
  return [];
}

/** Saves a draft that is open under a name, so that what moves is a version. */
export function commitOpen(tree: Tree, place: Place, actor: Actor): void {
  const node = tree.lookup(place.parent, place.name);
  const file = node === undefined ? undefined : tree.openFiles.get(node.fileId);
  if (file?.state === "tracked" && file.dirty) file.commit(actor, { durable: false });
}

function isScratch(tree: Tree, node: Node): boolean {
  if (node.tracked || isSpecial(node)) return false;
  return isDirectory(node.mode) ? tree.paths.get(node.fileId).scratch : true;
}

function isSpecial(node: Node): boolean {
  const type = node.mode & FileType.mask;
  return type === FileType.fifo || type === FileType.socket;
}

function typeOf(node: Node): "file" | "directory" | "symlink" {
  const type = node.mode & FileType.mask;
  return type === FileType.directory ? "directory" : type === FileType.symlink ? "symlink" : "file";
}

function refuseWrongType(tree: Tree, source: Node, replaced: Node): void {
  // As the kernel does for the directory that holds what is moved.
  if (isDirectory(replaced.mode) && isWithin(tree, source.parent, replaced.fileId))
    throw new PosixError("ENOTEMPTY");
  if (isDirectory(source.mode)) {
    if (!isDirectory(replaced.mode)) throw new PosixError("ENOTDIR");
    if (!isEmpty(tree, replaced.fileId)) throw new PosixError("ENOTEMPTY");
  } else if (isDirectory(replaced.mode)) {
    throw new PosixError("EISDIR");
  }
}

function refuseIntoItself(tree: Tree, directory: FileId, target: FileId): void {
  if (isWithin(tree, target, directory)) throw new PosixError("EINVAL");
}

/** Whether a directory is another one or anywhere below it. */
function isWithin(tree: Tree, directory: FileId, above: FileId): boolean {
  for (let at = directory; ; ) {
    if (at === above) return true;
    const { parent } = tree.paths.get(at);
    if (parent === at) return false;
    at = parent;
  }
}

function tellNames(tree: Tree, from: Place, to: Place, actor: Actor): void {
  tree.notify({ type: "entry", ...from }, actor);
  tree.notify({ type: "entry", ...to }, actor);
}
