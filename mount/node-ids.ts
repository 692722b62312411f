/**
 * Owns which of the book's files each of one kernel's node ids means, and how often that kernel looked each up.
 * A node id is the file id itself, but for exceptions; only those and the lookup counts are kept.
 * Must never ask the book anything.
 */
import { type FileId, newFileId } from "../schema/ids.ts";
import { ROOT_NODEID } from "./kernel/protocol.ts";
import { LookupCounts } from "./lookup-counts.ts";

/** "The object known as `from` now is `to`", as the book tells it after a rename or unlink. */
interface Identity {
  readonly from: FileId;
  readonly to: FileId;
}

/** What a node id means whose file went to another node id and which means no file any more. */
export const NO_FILE = 0 as FileId;
/** Node ids below it, but for the root's, are control files. */
const FIRST_FILE_NODEID = 2 ** 32;

/** True for the node ids of `.pfs/` and what is in it. */
export function isControlNodeid(nodeid: number): boolean {
  return nodeid < FIRST_FILE_NODEID && nodeid !== ROOT_NODEID;
}

export class NodeIds {
  /** Exceptions only, in both directions. */
  readonly #files = new Map<number, FileId>();
  readonly #nodeids = new Map<FileId, number>();
  /** How often the kernel was told of a node id less how often it forgot. */
  readonly #lookups = new LookupCounts();
  /** Node ids whose cached pages in the kernel may be older than the file: how often it is being told so. */
  readonly #stale = new Map<number, number>();
  readonly #rootId: FileId;

  constructor(rootId: FileId) {
    this.#rootId = rootId;
    this.#bind(ROOT_NODEID, rootId);
  }

  /** The file that `nodeid` means; {@link NO_FILE} for one that means none any more. */
  fileIdOf(nodeid: number): FileId {
    const exception = this.#files.size === 0 ? undefined : this.#files.get(nodeid);
    return exception ?? (nodeid as FileId);
  }

  /** The node id to tell the kernel for `fileId`. It stays the same as long as the kernel knows it. */
  nodeidOf(fileId: FileId): number {
    const exception = this.#nodeids.get(fileId);
    if (exception !== undefined) return exception;
    if (!this.#files.has(fileId)) return fileId;
    const fresh = newFileId();
    this.#bind(fresh, fileId);
    return fresh;
  }

  /** Counts a lookup: each answered entry is one. */
  remember(nodeid: number): void {
    this.#lookups.set(nodeid, this.#lookups.get(nodeid) + 1);
  }

  /**
   * Takes back `count` lookups. Returns the file when the kernel now knows nothing of it any more, else undefined.
   */
  forget(nodeid: number, count: number): FileId | undefined {
    const left = this.#lookups.get(nodeid) - count;
    if (left > 0) {
      this.#lookups.set(nodeid, left);
      return undefined;
    }
    this.#lookups.delete(nodeid);
    if (nodeid === ROOT_NODEID) return undefined;
    const fileId = this.fileIdOf(nodeid);
    this.#files.delete(nodeid);
    if (this.#nodeids.get(fileId) === nodeid) this.#nodeids.delete(fileId);
    return fileId === NO_FILE ? undefined : fileId;
  }

  /** The node id under which the kernel knows `fileId` now, or undefined if it does not. */
  knownNodeid(fileId: FileId): number | undefined {
    if (fileId === this.#rootId) return ROOT_NODEID;
    const nodeid = this.#nodeids.get(fileId) ?? (this.#files.has(fileId) ? undefined : (fileId as number));
    return nodeid !== undefined && this.isKnown(nodeid) ? nodeid : undefined;
  }

  /** Whether the kernel was told of a node id and has not forgotten it. */
  isKnown(nodeid: number): boolean {
    return this.#lookups.has(nodeid);
  }

  /** The kernel is gone: forgets everything. Returns the files that it knew. */
  clear(): FileId[] {
    const known: FileId[] = [];
    for (const nodeid of this.#lookups.keys()) {
      const fileId = this.forget(nodeid, Number.POSITIVE_INFINITY);
      if (fileId !== undefined) known.push(fileId);
    }
    return known;
  }

  /** How many nodes the kernel knows. */
  get knownCount(): number {
    return this.#lookups.size;
  }

  /** Lets node ids go on meaning the objects that the kernel means by them. All at once: `from` is before, `to` after. */
  apply(identities: readonly Identity[]): void {
    if (identities.length === 0) return;
    const moved: { nodeid: number; to: FileId }[] = [];
    for (const { from, to } of identities) {
      const nodeid = this.knownNodeid(from);
      if (nodeid !== undefined) moved.push({ nodeid, to });
    }
    for (const { nodeid } of moved) this.#unbind(nodeid);
    for (const { nodeid, to } of moved) {
      const displaced = this.knownNodeid(to);
      if (displaced !== undefined && displaced !== nodeid) this.#bind(displaced, NO_FILE);
      this.#bind(nodeid, to);
    }
  }

  /** The bytes changed without this kernel's doing: it is being told to drop what it has cached of them. */
  markStale(nodeid: number): void {
    this.#stale.set(nodeid, (this.#stale.get(nodeid) ?? 0) + 1);
  }

  /** The kernel has been told, as once promised by {@link markStale}. */
  markTold(nodeid: number): void {
    const left = (this.#stale.get(nodeid) ?? 0) - 1;
    if (left > 0) this.#stale.set(nodeid, left);
    else this.#stale.delete(nodeid);
  }

  /** True if what the kernel has cached of a file, its size too, may be older than the file. */
  isStale(nodeid: number): boolean {
    return this.#stale.size > 0 && this.#stale.has(nodeid);
  }

  #bind(nodeid: number, fileId: FileId): void {
    this.#unbind(nodeid);
    if (nodeid === fileId) return;
    this.#files.set(nodeid, fileId);
    if (fileId !== NO_FILE) this.#nodeids.set(fileId, nodeid);
  }

  #unbind(nodeid: number): void {
    const fileId = this.#files.get(nodeid);
    if (fileId === undefined) return;
    this.#files.delete(nodeid);
    if (this.#nodeids.get(fileId) === nodeid) this.#nodeids.delete(fileId);
  }
}
