/**
 * Owns a book's tree as it was at a position of the log, for mounts: read from the log as it is asked for. A directory is
 * there because files are below it. Must never change, nor change anything.
 */
import { hash as sha256 } from "node:crypto";
import { type PfsError, PosixError } from "../../schema/errors.ts";
import type { FileId, Seq } from "../../schema/ids.ts";
import type { TreePath } from "../../schema/paths.ts";
import type { Blobs } from "../blobs.ts";
import type { Book } from "../book.ts";
import type { BookTree } from "../book-tree.ts";
import { type Content, InlineContent, ObjectContent, readWhole } from "../content.ts";
import { FileType, type Node } from "../node.ts";
import type { BookFile } from "../reader.ts";
import { type Space, spaceAt } from "../space.ts";
import type { Store } from "../store.ts";
import type { Time } from "../time.ts";
import type { Visit } from "../worktree/listing.ts";
import { defaultMode } from "../worktree/node-rows.ts";
import { OpenPastFile, refuseChange } from "./open-past-file.ts";
import { PastListing } from "./past-listing.ts";
import type { PastView } from "./past-view.ts";
import { timeOf } from "./position.ts";

export interface PastTreeParts {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly book: Book;
  readonly files: PastView;
  /** The position whose state is shown. */
  readonly seq: Seq;
}

/** Where a node is that somebody knows by its id. */
interface Place {
  /** "" is the root. */
  readonly path: string;
  readonly isDirectory: boolean;
}

const DIRECTORY_MODE = FileType.directory | 0o755;
const DIRECTORY_SIZE_BYTES = 4096;
/** Cookies count from here: the kernel's side takes what is below for names of its own. */
const FIRST_COOKIE = 2 ** 32;
const MAX_LISTINGS = 256;
/** Some 250 bytes each. */
const MAX_RECENT = 2048;

export class PastTree implements BookTree {
  readonly book: Book;
  readonly seq: Seq;
  readonly #store: Store;
  readonly #blobs: Blobs;
  readonly #files: PastView;
  /** When the position was reached: the time of every directory, as the log knows nothing of theirs. */
  readonly #time: Time;
  /** Of the nodes that were named and not forgotten. */
  readonly #places = new Map<FileId, Place>();
  /** Files that were named lately: a program that opens a file has just looked it up. */
  readonly #recent = new Map<FileId, Node>();
  readonly #open = new Map<FileId, OpenPastFile>();
  readonly #listings = new Map<string, PastListing>();

  constructor({ store, blobs, book, files, seq }: PastTreeParts) {
    this.book = book;
    this.seq = seq;
    this.#store = store;
    this.#blobs = blobs;
    this.#files = files;
    this.#time = toTime(timeOf(store.database, seq) ?? book.createdAt);
    this.#places.set(book.rootId, { path: "", isDirectory: true });
  }

  get rootId(): FileId {
    return this.book.rootId;
  }

  lookup(parent: FileId, name: string): Node | undefined {
    this.#store.read();
    const path = childPath(this.#directory(parent), name);
    const file = this.#files.file(path, this.seq);
    if (file !== undefined) return this.#fileNode(file, parent, name);
    return this.#files.hasDirectory(path, this.seq) ? this.#directoryNode(path, parent, name) : undefined;
  }

  get(fileId: FileId): Node | undefined {
    const recent = this.#recent.get(fileId);
    if (recent !== undefined) return recent;
    const place = this.#places.get(fileId);
    if (place === undefined) return undefined;
    const name = place.path.slice(place.path.lastIndexOf("/") + 1);
    const parent = this.#parentId(place.path);
    if (place.isDirectory) return this.#directoryNode(place.path, parent, name);
    this.#store.read();
    const file = this.#files.file(place.path, this.seq);
    return file === undefined ? undefined : this.#fileNode(file, parent, name);
  }

  parentOf(directory: FileId): FileId | undefined {
    const place = this.#places.get(directory);
    return place === undefined ? undefined : this.#parentId(place.path);
  }

  pathOf({ fileId, name }: Node): string {
    return this.#places.get(fileId)?.path ?? name;
  }

  refuse(error: PfsError): never {
    throw error;
  }

  list(parent: FileId, after: number, visit: Visit): void {
    this.#store.read();
    const directory = this.#directory(parent);
    const listing = this.#listing(directory);
    for (let index = after === 0 ? 0 : after - FIRST_COOKIE; ; index++) {
      const entry = listing.at(index);
      if (entry === undefined) return;
      const { name, file } = entry;
      const node =
        file === undefined
          ? this.#directoryNode(childPath(directory, name), parent, name)
          : this.#fileNode(file, parent, name);
      if (!visit(name, node, FIRST_COOKIE + index + 1)) return;
    }
  }

  open(fileId: FileId): OpenPastFile {
    let open = this.#open.get(fileId);
    if (open === undefined) {
      const node = this.get(fileId);
      if (node === undefined) throw new PosixError("ENOENT");
      if (node.hash === undefined) throw new PosixError("EISDIR");
      if ((node.mode & FileType.mask) !== FileType.file) throw new PosixError("ENXIO");
      open = new OpenPastFile(node, {
        openContent: (mayDefer) => this.#openContent(node, mayDefer),
        mayBeAbsent: this.#blobs.mayLack,
        onEnd: () => this.#open.delete(fileId),
      });
      this.#open.set(fileId, open);
    }
    open.retain();
    return open;
  }

  readSymlink(fileId: FileId, mayDefer = false): Uint8Array {
    const node = this.get(fileId);
    if (node === undefined) throw new PosixError("ENOENT");
    if ((node.mode & FileType.mask) !== FileType.symlink) throw new PosixError("EINVAL");
    return readWhole(this.#openContent(node, mayDefer));
  }

  getXattr(): undefined {
    return undefined;
  }

  listXattrs(): string[] {
    return [];
  }

  space(): Space {
    return spaceAt(this.#store.directory);
  }

  forget(fileId: FileId): void {
    if (fileId === this.rootId) return;
    this.#places.delete(fileId);
    this.#recent.delete(fileId);
  }

  onChange(): () => void {
    return () => undefined;
  }

  create(): never {
    refuseChange();
  }

  makeNode(): never {
    refuseChange();
  }

  makeDirectory(): never {
    refuseChange();
  }

  makeSymlink(): never {
    refuseChange();
  }

  link(): never {
    refuseChange();
  }

  unlink(): never {
    refuseChange();
  }

  removeDirectory(): never {
    refuseChange();
  }

  prepareRename(): void {}

  rename(): never {
    refuseChange();
  }

  setAttributes(): never {
    refuseChange();
  }

  setXattr(): never {
    refuseChange();
  }

  removeXattr(): never {
    refuseChange();
  }

  sync(): void {}

  /** @throws PosixError ENOENT, ENOTDIR */
  #directory(fileId: FileId): string {
    const place = this.#places.get(fileId);
    if (place === undefined) throw new PosixError("ENOENT");
    if (!place.isDirectory) throw new PosixError("ENOTDIR");
    return place.path;
  }

  #listing(directory: string): PastListing {
    let listing = this.#listings.get(directory);
    if (listing === undefined) {
      if (this.#listings.size >= MAX_LISTINGS) this.#listings.clear();
      listing = new PastListing(this.#files, this.seq, directory);
      this.#listings.set(directory, listing);
    }
    return listing;
  }

  #openContent(node: Node, mayDefer: boolean): Content {
    const blobHash = node.hash!;
    const path = this.pathOf(node);
    if (mayDefer) this.#blobs.deferFetching(blobHash);
    const bytes = this.#blobs.readInline(blobHash, path);
    if (bytes !== undefined) return new InlineContent(bytes);
    const object = this.#blobs.openObject(blobHash, path, mayDefer);
    return new ObjectContent(object.fd, object.size);
  }

  #parentId(path: string): FileId {
    const slash = path.lastIndexOf("/");
    return slash === -1 ? this.rootId : this.#directoryId(path.slice(0, slash));
  }

  #directoryId(path: string): FileId {
    return path === "" ? this.rootId : directoryId(path as TreePath);
  }

  #fileNode({ path, fileId, mode, sizeBytes, mtime, sha256 }: BookFile, parent: FileId, name: string): Node {
    this.#places.set(fileId, { path, isDirectory: false });
    const node = this.#node({
      fileId,
      parent,
      name,
      mode: defaultMode(mode),
      size: sizeBytes,
      time: mtime,
      hash: sha256,
    });
    if (this.#recent.size >= MAX_RECENT) this.#recent.clear();
    this.#recent.set(fileId, node);
    return node;
  }

  #directoryNode(path: string, parent: FileId, name: string): Node {
    const fileId = this.#directoryId(path);
    this.#places.set(fileId, { path, isDirectory: true });
    const size = DIRECTORY_SIZE_BYTES;
    return this.#node({
      fileId,
      parent,
      name,
      mode: DIRECTORY_MODE,
      size,
      time: this.#time,
      hash: undefined,
    });
  }

  #node(
    parts: Pick<Node, "fileId" | "parent" | "name" | "mode" | "size" | "hash"> & { readonly time: Time },
  ): Node {
    const { fileId, parent, name, mode, size, hash, time } = parts;
    return {
      fileId,
      parent,
      name,
      mode,
      // Of a directory, 1 says that its subdirectories are not counted.
      nlink: 1,
      uid: this.#store.ownerUid,
      gid: this.#store.ownerGid,
      size,
      atimeSeconds: time.seconds,
      atimeNanoseconds: time.nanoseconds,
      mtimeSeconds: time.seconds,
      mtimeNanoseconds: time.nanoseconds,
      ctimeSeconds: time.seconds,
      ctimeNanoseconds: time.nanoseconds,
      hash,
      tracked: hash !== undefined,
    };
  }
}

/** An id for a directory, of which the log has none: made of its path, so that it stays the same; in the range of file ids. */
function directoryId(path: TreePath): FileId {
  const digest = sha256("sha256", path, "buffer");
  return ((digest.readUInt32BE(0) & 0x1f_ffff || 1) * 0x1_0000_0000 + digest.readUInt32BE(4)) as FileId;
}

function childPath(directory: string, name: string): string {
  return directory === "" ? name : `${directory}/${name}`;
}

function toTime(iso: string): Time {
  const ms = Date.parse(iso);
  return { seconds: Math.floor(ms / 1000), nanoseconds: (ms - Math.floor(ms / 1000) * 1000) * 1_000_000 };
}
