/**
 * Owns `.pfs/` as one kernel sees it: its nodes' attributes, and which snapshots are open. Must never appear in the book,
 * nor know what any of the nodes is for.
 */
import { type Actor, FileType } from "../../lib/node.ts";
import type { Time } from "../../lib/time.ts";
import { PosixError } from "../../schema/errors.ts";
import type { KernelAttributes } from "../kernel/attributes.ts";
import { DIRENT_TYPE, ROOT_NODEID } from "../kernel/protocol.ts";
import type { DirectoryRecord } from "../kernel/reply.ts";
import type { ControlContent, ControlDirectory, ControlFile, ControlNode, Opening } from "./control-node.ts";
import { CONTROL_NODEID, ControlNodes, inodeOf, type KnownControl, pathIn } from "./control-nodes.ts";

/** The name of the control directory in the root of every mount. */
export const CONTROL_NAME = ".pfs";

/** Of each kind: st_mode without permissions, the permissions where a node does not say, the type in a listing. */
const KINDS = {
  file: { mode: FileType.file, permissions: 0o444, type: DIRENT_TYPE.REG },
  directory: { mode: FileType.directory, permissions: 0o555, type: DIRENT_TYPE.DIR },
  symlink: { mode: FileType.symlink, permissions: 0o777, type: DIRENT_TYPE.LNK },
} as const satisfies Record<ControlNode["kind"], object>;
const BLOCK_BYTES = 4096;
/** What stat(2) says of a file whose size only opening tells: GNU tar takes one of 0 bytes for empty and does not open it. */
const UNKNOWN_BYTES = 1;
/** Cookies of `.` and `..` come before those of names. */
const DOTS = 2;

/** An open control file. */
export interface OpenControl {
  readonly nodeid: number;
  readonly content: ControlContent;
  /** The kernel's pages cannot serve this handle: other bytes than another's, a size nobody knew before, or a stream. */
  readonly direct: boolean;
}

export class ControlTree {
  readonly #nodes: ControlNodes;
  readonly #owner: { readonly uid: number; readonly gid: number };
  readonly #open = new Map<number, Set<OpenControl>>();

  constructor(root: ControlDirectory, owner: { readonly uid: number; readonly gid: number }) {
    this.#nodes = new ControlNodes(root);
    this.#owner = owner;
  }

  /**
   * The node id of a name in a directory, undefined if there is none. Not counted: see {@link remember}.
   * @throws PosixError ENOTDIR, ESTALE; PfsError NOT_FOUND for a question without an answer
   */
  lookup(parent: number, name: string): number | undefined {
    const { known, directory } = this.#directory(parent);
    const node = directory.find(name);
    if (node !== undefined) return this.#nodes.bind(known, name, node).nodeid;
    this.#nodes.unbind(known, name);
    return undefined;
  }

  /** Where a name is, for messages: from the mount's root on. */
  pathOf(parent: number, name: string): string {
    return `${CONTROL_NAME}/${pathIn(this.#known(parent), name)}`;
  }

  /** Counts a lookup: each answered entry is one. */
  remember(nodeid: number): void {
    this.#nodes.remember(nodeid);
  }

  /** Takes back `count` lookups. */
  forget(nodeid: number, count: number): void {
    this.#nodes.forget(nodeid, count);
  }

  /** How many nodes the kernel knows. */
  get knownCount(): number {
    return this.#nodes.count;
  }

  /** Writes the attributes of a node as they are now. @throws PosixError ESTALE for an unknown node id */
  attributes(nodeid: number, into: KernelAttributes): void {
    const known = this.#known(nodeid);
    if (known.node.kind === "directory") this.#fill(into, known, 0, known.node.mtime());
    else if (known.node.kind === "file") this.#fillFile(into, known, known.node);
    else this.#fill(into, known, known.node.look().sizeBytes ?? 0, known.node.look().mtime);
  }

  /** Writes the attributes of a file as an open handle sees it. @throws as {@link attributes} */
  attributesOf({ nodeid, content }: OpenControl, into: KernelAttributes): void {
    this.#fill(into, this.#known(nodeid), content.sizeBytes, content.mtime);
  }

  /** @throws PosixError EISDIR, ELOOP, ESTALE; Deferred; what the file's module throws */
  open(nodeid: number, opening: Opening): OpenControl {
    const { node } = this.#known(nodeid);
    if (node.kind !== "file") throw new PosixError(node.kind === "directory" ? "EISDIR" : "ELOOP");
    const isSizeKnown = node.look().sizeBytes !== undefined;
    const content = node.open(opening);
    const others = this.#open.get(nodeid) ?? new Set();
    this.#open.set(nodeid, others);
    const isMixed = [...others].some((other) => other.content.version !== content.version);
    const direct = isMixed || !isSizeKnown || content.isUncached === true;
    const open = { nodeid, content, direct };
    others.add(open);
    return open;
  }

  /** Ends what `open` began. */
  release(open: OpenControl): void {
    open.content.close();
    const left = this.#open.get(open.nodeid);
    left?.delete(open);
    if (left?.size === 0) this.#open.delete(open.nodeid);
  }

  /** The names of a directory after cookie `from`; 1 and 2 are `.` and `..`. @throws PosixError ENOTDIR, ESTALE */
  *list(nodeid: number, from: number): IterableIterator<DirectoryRecord> {
    const { known, directory } = this.#directory(nodeid);
    for (const { name, kind, cookie } of directory.list(Math.max(0, from - DOTS))) {
      yield { name, ino: inodeOf(pathIn(known, name)), type: KINDS[kind].type, nextOffset: cookie + DOTS };
    }
  }

  /** readlink(2). @throws PosixError EINVAL, ESTALE */
  target(nodeid: number, mayDefer: boolean): Uint8Array {
    const { node } = this.#known(nodeid);
    if (node.kind !== "symlink") throw new PosixError("EINVAL");
    return node.target(mayDefer);
  }

  /** Inode number of a node, and of the directory that it is in (for `.pfs` the root's node id). @throws PosixError ESTALE */
  inodes(nodeid: number): { readonly self: number; readonly parent: number } {
    const { path } = this.#known(nodeid);
    if (path === "") return { self: CONTROL_NODEID, parent: ROOT_NODEID };
    return { self: inodeOf(path), parent: inodeOf(path.slice(0, Math.max(0, path.lastIndexOf("/")))) };
  }

  /**
   * unlink(2) and rmdir(2).
   * @throws PosixError ENOENT, EISDIR, ENOTDIR; EROFS where nothing can be removed; what the directory's module throws
   */
  remove(parent: number, name: string, kind: "file" | "directory", actor: Actor): void {
    const { known, directory } = this.#directory(parent);
    const node = directory.find(name);
    if (node === undefined) throw new PosixError("ENOENT");
    if (directory.remove === undefined) throw new PosixError("EROFS", "Nothing can be removed here.");
    if ((node.kind === "directory") !== (kind === "directory"))
      throw new PosixError(kind === "file" ? "EISDIR" : "ENOTDIR");
    directory.remove(name, actor);
    this.#nodes.unbind(known, name);
  }

  /** Whether {@link remove} would find something and be allowed to take it away. @throws PosixError ENOTDIR, ESTALE */
  canRemove(parent: number, name: string): boolean {
    const { directory } = this.#directory(parent);
    return directory.remove !== undefined && directory.find(name) !== undefined;
  }

  #known(nodeid: number): KnownControl {
    const known = this.#nodes.get(nodeid);
    if (known === undefined) throw new PosixError("ESTALE", `There is no control node ${nodeid}.`);
    return known;
  }

  #directory(nodeid: number): { readonly known: KnownControl; readonly directory: ControlDirectory } {
    const known = this.#known(nodeid);
    if (known.node.kind !== "directory") throw new PosixError("ENOTDIR");
    return { known, directory: known.node };
  }

  /**
   * fstat(2) does not say for which handle it asks. Of a file that is open it gets the size of the largest snapshot, so
   * that nobody who sizes a buffer by it loses bytes at the end.
   */
  #fillFile(into: KernelAttributes, known: KnownControl, file: ControlFile): void {
    const open = this.#open.get(known.nodeid);
    if (open === undefined) {
      const { sizeBytes = UNKNOWN_BYTES, mtime } = file.look();
      this.#fill(into, known, sizeBytes, mtime);
      return;
    }
    const largest = [...open].reduce((a, b) => (b.content.sizeBytes > a.content.sizeBytes ? b : a));
    this.#fill(into, known, largest.content.sizeBytes, largest.content.mtime);
  }

  #fill(into: KernelAttributes, { path, node }: KnownControl, sizeBytes: number, mtime: Time): void {
    const { uid = this.#owner.uid, gid = this.#owner.gid, permissions } = node.access ?? {};
    into.ino = inodeOf(path);
    into.size = sizeBytes;
    into.blocks = Math.ceil(sizeBytes / BLOCK_BYTES) * (BLOCK_BYTES / 512);
    into.atimeSeconds = mtime.seconds;
    into.mtimeSeconds = mtime.seconds;
    into.ctimeSeconds = mtime.seconds;
    into.atimeNanoseconds = mtime.nanoseconds;
    into.mtimeNanoseconds = mtime.nanoseconds;
    into.ctimeNanoseconds = mtime.nanoseconds;
    const kind = KINDS[node.kind];
    into.mode = kind.mode | (permissions ?? kind.permissions);
    // Of a directory: nobody counted its subdirectories, which 1 says to programs that would rely on it.
    into.nlink = 1;
    into.uid = uid;
    into.gid = gid;
    into.blksize = BLOCK_BYTES;
  }
}
