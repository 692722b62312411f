/**
 * Owns showing a tree of the book below `.pfs/`, to be read only: another layer than the mount's, another time. Must never
 * show scratch, nor change anything.
 */
import type { BookTree, TreeFile } from "../../lib/book-tree.ts";
import { type Actor, FileType, isDirectory, type Node } from "../../lib/node.ts";
import type { Time } from "../../lib/time.ts";
import { PosixError } from "../../schema/errors.ts";
import type { FileId } from "../../schema/ids.ts";
import { isScratchName } from "../../schema/scratch.ts";
import type {
  ControlContent,
  ControlDirectory,
  ControlFile,
  ControlName,
  ControlNode,
  ControlSymlink,
  Opening,
} from "./control-node.ts";

const BATCH_NAMES = 64;
const READABLE = 0o7555;

export class TreeDirectory implements ControlDirectory {
  readonly kind = "directory";
  readonly #tree: BookTree;
  readonly #fileId: FileId;

  constructor(tree: BookTree, fileId: FileId) {
    this.#tree = tree;
    this.#fileId = fileId;
  }

  get access() {
    return accessOf(this.#node());
  }

  mtime(): Time {
    return mtimeOf(this.#node());
  }

  find(name: string): ControlNode | undefined {
    const node = this.#tree.lookup(this.#fileId, name);
    if (node === undefined || kindOf(name, node) === undefined) return undefined;
    return isDirectory(node.mode) ? new TreeDirectory(this.#tree, node.fileId) : leafOf(this.#tree, node);
  }

  list(after: number): Iterable<ControlName> {
    return listTree(this.#tree, this.#fileId, after, () => true);
  }

  #node(): Node {
    const node = this.#tree.get(this.#fileId);
    if (node === undefined) throw new PosixError("ENOENT");
    return node;
  }
}

/** The names in a directory of a tree, of what `shows` says is shown. */
export function* listTree(
  tree: BookTree,
  directory: FileId,
  after: number,
  shows: (node: Node, name: string) => boolean,
): Generator<ControlName, void> {
  for (let last = after; ; ) {
    const batch: ControlName[] = [];
    let seen = 0;
    tree.list(directory, last, (name, node, cookie) => {
      const kind = kindOf(name, node);
      if (kind !== undefined && shows(node, name)) batch.push({ name, kind, cookie });
      last = cookie;
      return ++seen < BATCH_NAMES;
    });
    yield* batch;
    if (seen < BATCH_NAMES) return;
  }
}

/** What is no directory. */
export function leafOf(tree: BookTree, node: Node): ControlFile | ControlSymlink {
  return (node.mode & FileType.mask) === FileType.symlink ? symlinkOf(tree, node) : fileOf(tree, node);
}

/** Undefined for what is this machine's only. */
export function kindOf(name: string, node: Node): ControlNode["kind"] | undefined {
  if (isScratchName(name)) return undefined;
  if (isDirectory(node.mode)) return "directory";
  if (!node.tracked) return undefined;
  return (node.mode & FileType.mask) === FileType.symlink ? "symlink" : "file";
}

function accessOf({ uid, gid, mode }: Node) {
  return { uid, gid, permissions: mode & READABLE };
}

function mtimeOf({ mtimeSeconds: seconds, mtimeNanoseconds: nanoseconds }: Node): Time {
  return { seconds, nanoseconds };
}

function symlinkOf(tree: BookTree, node: Node): ControlSymlink {
  return {
    kind: "symlink",
    access: { ...accessOf(node), permissions: node.mode & 0o7777 },
    look: () => ({ sizeBytes: node.size, mtime: mtimeOf(node) }),
    target: (mayDefer) => tree.readSymlink(node.fileId, mayDefer),
  };
}

function fileOf(tree: BookTree, found: Node): ControlFile {
  const current = (): Node => tree.get(found.fileId) ?? found;
  return {
    kind: "file",
    get access() {
      return accessOf(current());
    },
    look: () => ({ sizeBytes: current().size, mtime: mtimeOf(current()) }),
    open({ actor, mayDefer }: Opening) {
      const file = tree.open(found.fileId);
      try {
        if (mayDefer) file.prepare();
      } catch (error) {
        file.release(actor);
        throw error;
      }
      return new TreeContent(file, actor);
    },
  };
}

/** The file as it is: who reads it while it is being written sees that, as in the book itself. */
class TreeContent implements ControlContent {
  readonly isUncached = true;
  readonly #file: TreeFile;
  readonly #actor: Actor;

  constructor(file: TreeFile, actor: Actor) {
    this.#file = file;
    this.#actor = actor;
  }

  get sizeBytes(): number {
    return this.#file.size;
  }

  get mtime(): Time {
    return mtimeOf(this.#file.node());
  }

  get version(): unknown {
    return this.#file;
  }

  read(offset: number, target: Uint8Array): number {
    return this.#file.read(offset, target);
  }

  close(): void {
    this.#file.release(this.#actor);
  }
}
