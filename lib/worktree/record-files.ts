/**
 * Owns recording whole files that were read elsewhere, many in one transaction: what an import does to the tree. Must
 * never enter a path that the schema does not admit (R1), nor touch a draft that somebody has open.
 */
import { hash as sha256 } from "node:crypto";
import { closeSync, openSync, unlinkSync } from "node:fs";
import { PfsError } from "../../schema/errors.ts";
import { type FileId, newFileId } from "../../schema/ids.ts";
import { baseNameOf, parentOf, parseTreePath, ROOT, type TreePath } from "../../schema/paths.ts";
import { refusedPath } from "../../schema/refused-path.ts";
import { isScratchName } from "../../schema/scratch.ts";
import { type Blobs, INLINE_MAX_BYTES } from "../blobs.ts";
import type { ImportCounts, ReadFile } from "../import.ts";
import type { JournalRow } from "../journal.ts";
import { type Actor, isDirectory, type Node } from "../node.ts";
import { now } from "../time.ts";
import { makeDirectory } from "./create.ts";
import { CONTROL_DIRECTORY } from "./name-class.ts";
import { defaultMode, JournalMode, modeAs } from "./node-rows.ts";
import { journalModeOf, recordVersion, storageOf } from "./save.ts";
import type { Tree } from "./tree.ts";

/** One batch under way. */
interface Batch {
  readonly tree: Tree;
  readonly actor: Actor;
  readonly startedMs: number;
  /** Directories that are known to be there. */
  readonly directories: Map<string, FileId>;
  readonly touched: Set<FileId>;
}

interface Target {
  readonly path: TreePath;
  readonly parent: FileId;
  readonly name: string;
  readonly present: JournalRow | undefined;
}

/** Records files and directories, all or none. @throws see importBatch */
export function recordFiles(
  tree: Tree,
  files: readonly ReadFile[],
  directories: readonly string[],
  actor: Actor,
): ImportCounts {
  const counts = { created: 0, updated: 0, unchanged: 0 };
  try {
    for (const file of files) refuseMisfit(tree, file, actor);
    tree.store.checkSpace(files.reduce((sum, file) => sum + file.sizeBytes, 0));
    tree.store.transaction(() => {
      const startedMs = performance.now();
      const batch: Batch = { tree, actor, startedMs, directories: new Map(), touched: new Set() };
      batch.directories.set(ROOT, tree.book.rootId);
      for (const path of directories) ensureDirectory(batch, parseTreePath(path));
      for (const file of files) counts[recordFile(batch, file)]++;
      const time = now();
      for (const directory of batch.touched) tree.touchDirectory(directory, time, actor);
    });
  } catch (error) {
    for (const file of files) dropStaged(file);
    throw error;
  }
  return counts;
}

/** Before the transaction, as a refusal is logged and must not be undone with it. */
export function refuseMisfit(tree: Tree, file: ReadFile, actor: Actor): void {
  const startedMs = performance.now();
  const error = misfitOf(tree, file);
  if (error === undefined) return;
  tree.refuse(error, { operation: "create", path: file.path, startedMs }, actor);
}

function misfitOf(tree: Tree, file: ReadFile): PfsError | undefined {
  const { profile, fileSizeLimitBytes } = tree.book;
  let path: TreePath;
  try {
    path = parseTreePath(file.path);
  } catch (error) {
    if (error instanceof PfsError) return error;
    throw error;
  }
  const names = path.split("/");
  if (names[0] === CONTROL_DIRECTORY || names.some(isScratchName) || !profile.matchesFile(path)) {
    return refusedPath(profile, path);
  }
  if (file.type === "symlink" && !profile.symlinks) {
    return new PfsError(
      "SCHEMA_VIOLATION",
      `${path} is a symbolic link, and the profile ${profile.name} has none.`,
      {
        path,
        hint: "Put the file itself there.",
      },
    );
  }
  if (file.sizeBytes <= fileSizeLimitBytes) return undefined;
  return new PfsError("TOO_LARGE", `${path} is over the book's limit of ${fileSizeLimitBytes} bytes.`, {
    path,
    hint: "Keep large media elsewhere, or raise the limit of the book.",
  });
}

function ensureDirectory(batch: Batch, path: TreePath | typeof ROOT): FileId {
  const known = batch.directories.get(path);
  if (known !== undefined) return known;
  const { tree, actor } = batch;
  const parent = ensureDirectory(batch, parentOf(path as TreePath));
  const name = baseNameOf(path as TreePath);
  const node = tree.lookup(parent, name) ?? makeDirectory(tree, { parent, name }, 0o755, actor);
  if (!isDirectory(node.mode)) throw inTheWay(path, "a file", "a directory");
  batch.directories.set(path, node.fileId);
  return node.fileId;
}

function recordFile(batch: Batch, file: ReadFile): keyof ImportCounts {
  const { tree, actor, startedMs } = batch;
  const target = findTarget(batch, file);
  const { path, parent, name, present } = target;
  const mode = file.type === "symlink" ? JournalMode.symlink : journalModeOf(file.mode);
  // Also when the version is known: bytes that were damaged in the store are mended that way.
  storeBytes(tree.blobs, file);
  const wanted = "stored" in file.content ? file.content.fileId : undefined;
  const fileId = present?.fileId ?? freeId(tree, wanted, path) ?? newFileId();
  const recorded = recordVersion(
    tree,
    {
      path,
      parent,
      fileId,
      hash: file.hash,
      size: file.sizeBytes,
      mode,
      mtime: file.mtime,
      storage: storageOf(file.sizeBytes),
    },
    present?.sha256 ?? null,
    actor,
    startedMs,
  );
  if (recorded === "unchanged") return "unchanged";
  if (present === undefined || present.parent === null) {
    const { uid, gid } = actor;
    tree.entries.setInitial(fileId, { mode: defaultMode(mode), uid, gid }, defaultMode(mode));
    batch.touched.add(parent);
    tree.notify({ type: "entry", parent, name }, actor);
  } else {
    adjustMode(tree, fileId, mode);
    tree.notify({ type: recorded === "attributes" ? "attributes" : "content", fileId }, actor);
  }
  reloadOpen(tree, fileId, file);
  return recorded === "created" ? "created" : "updated";
}

function findTarget(batch: Batch, file: ReadFile): Target {
  const { tree } = batch;
  const path = parseTreePath(file.path);
  const parent = ensureDirectory(batch, parentOf(path));
  const name = baseNameOf(path);
  // In an overlay it may be the base's.
  const local = tree.entries.find(parent, name) ?? directoryAt(tree, parent, name);
  if (local !== undefined) {
    throw inTheWay(path, isDirectory(local.mode ?? 0) ? "a directory" : "a fifo or socket", "a file");
  }
  return { path, parent, name, present: tree.version({ parent, name }) };
}

/** The file id that a file is to have, unless another has it by now, be it the base's: then it was moved, and this is a copy. */
function freeId(tree: Tree, fileId: FileId | undefined, path: TreePath): FileId | undefined {
  if (fileId === undefined || tree.journal.hasFile(fileId)) return undefined;
  if (tree.entries.findById(fileId) !== undefined) return undefined;
  return (tree.base?.journal.find(fileId)?.path ?? path) === path ? fileId : undefined;
}

function directoryAt(tree: Tree, parent: FileId, name: string): Node | undefined {
  const node = tree.shared === undefined ? undefined : tree.lookup(parent, name);
  return node !== undefined && isDirectory(node.mode) ? node : undefined;
}

function inTheWay(path: string, what: string, wanted: string): PfsError {
  return new PfsError("EXISTS", `${path} is ${what} in the book; ${wanted} was to come there.`, {
    path,
    hint: "Rename or remove it in the book, then try again.",
  });
}

/** Makes the bytes that were read a blob. Only within a transaction. @throws PfsError CORRUPT */
export function storeBytes(
  blobs: Blobs,
  file: Pick<ReadFile, "path" | "hash" | "sizeBytes" | "content">,
): void {
  const { content } = file;
  if ("stored" in content) return;
  if ("bytes" in content) {
    if (content.bytes.byteLength > INLINE_MAX_BYTES || sha256("sha256", content.bytes, "hex") !== file.hash) {
      throw new PfsError("CORRUPT", `${file.path} is not what was read: its bytes do not match their hash.`, {
        path: file.path,
      });
    }
    blobs.putInline(file.hash, content.bytes);
    return;
  }
  const fd = openSync(content.stagedPath, "r");
  try {
    blobs.adoptFile(file.hash, content.stagedPath, fd, file.sizeBytes);
  } finally {
    closeSync(fd);
  }
}

/** Permission bits that were set on this machine stay, but for what the book keeps: type and executable bit. */
export function adjustMode(tree: Tree, fileId: FileId, journalMode: number): void {
  const node = tree.get(fileId);
  if (node === undefined) return;
  const mode = modeAs(node.mode, journalMode);
  if (mode === node.mode) return;
  tree.entries.setAttributes(fileId, { mode });
}

/** Whoever has the file open and has written nothing sees the new version from now on. */
function reloadOpen(tree: Tree, fileId: FileId, file: ReadFile): void {
  const open = tree.openFiles.get(fileId);
  if (open === undefined || open.state !== "tracked" || open.dirty || open.refused !== undefined) return;
  tree.store.afterCommit(() => {
    // The file that had it open may have been removed in the same transaction.
    if (tree.openFiles.get(fileId) !== open) return;
    const time = now();
    const executable = file.mode & 0o111;
    const mode = executable === 0 ? open.attributes.mode & ~0o111 : open.attributes.mode | 0o100;
    open.reload(file.hash, file.sizeBytes, { ...open.attributes, mode, mtime: file.mtime, ctime: time });
  });
}

/** Takes away what was staged, if it was not recorded. */
export function dropStaged(file: ReadFile): void {
  if (!("stagedPath" in file.content)) return;
  try {
    unlinkSync(file.content.stagedPath);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}
