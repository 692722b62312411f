/**
 * Owns how a node of the book looks to the kernel: attributes, entries and how long they may be believed.
 * Its objects are reused: each is good until the next call. Must never ask the book anything.
 */
import type { Node } from "../lib/node.ts";
import type { KernelAttributes, KernelEntry } from "./kernel/attributes.ts";

/** The daemon sees every change and tells the kernel, so that the kernel may believe what it was told for long. */
export const TTL_SECONDS = 3600;
/** Control files change without a change of the book. */
export const CONTROL_TTL_SECONDS = 0;

const BLKSIZE_BYTES = 4096;
const SECTORS_PER_BLOCK = BLKSIZE_BYTES / 512;

export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

/** Whose files of the book a kernel is told to be whose. */
export interface Lending {
  /** Unix users. */
  readonly from: ReadonlySet<number>;
  readonly to: Owner;
}

/** Permissions that keep nobody from reading: what has others was made private, or shared, by somebody. */
const USUAL_PERMISSIONS: ReadonlySet<number> = new Set([0o644, 0o755, 0o777]);
const PERMISSIONS = 0o7777;

export class KernelView {
  readonly #lending: Lending | undefined;
  readonly attributes: KernelAttributes = {
    ino: 0,
    size: 0,
    blocks: 0,
    atimeSeconds: 0,
    atimeNanoseconds: 0,
    mtimeSeconds: 0,
    mtimeNanoseconds: 0,
    ctimeSeconds: 0,
    ctimeNanoseconds: 0,
    mode: 0,
    nlink: 0,
    uid: 0,
    gid: 0,
    blksize: BLKSIZE_BYTES,
  };
  readonly entry: KernelEntry = {
    nodeid: 0,
    generation: 0,
    entryTtlSeconds: 0,
    attributesTtlSeconds: 0,
    attributes: this.attributes,
  };

  /** @param lending what is those users' and open to all is the other's on this mount; without it everything is whose it is */
  constructor(lending?: Lending) {
    this.#lending = lending;
  }

  /** Who is told to own what is another's; undefined: whoever owns it is told. */
  borrowerOf(node: Node): Owner | undefined {
    const lending = this.#lending;
    if (lending === undefined || !lending.from.has(node.uid)) return undefined;
    return USUAL_PERMISSIONS.has(node.mode & PERMISSIONS) ? lending.to : undefined;
  }

  /** Fills `attributes`; `extraLinks` counts subdirectories that the book does not know of. */
  attributesOf(node: Node, extraLinks: number): KernelAttributes {
    const into = this.attributes;
    into.ino = node.fileId;
    into.size = node.size;
    into.blocks = Math.ceil(node.size / BLKSIZE_BYTES) * SECTORS_PER_BLOCK;
    into.atimeSeconds = node.atimeSeconds;
    into.atimeNanoseconds = node.atimeNanoseconds;
    into.mtimeSeconds = node.mtimeSeconds;
    into.mtimeNanoseconds = node.mtimeNanoseconds;
    into.ctimeSeconds = node.ctimeSeconds;
    into.ctimeNanoseconds = node.ctimeNanoseconds;
    into.mode = node.mode;
    into.nlink = node.nlink + extraLinks;
    const { uid, gid } = this.borrowerOf(node) ?? node;
    into.uid = uid;
    into.gid = gid;
    into.blksize = BLKSIZE_BYTES;
    return into;
  }

  /** Makes what `attributes` holds the entry that is told as `nodeid`. */
  entryAs(nodeid: number, ttlSeconds: number, attributesTtlSeconds = ttlSeconds): KernelEntry {
    const { entry } = this;
    entry.nodeid = nodeid;
    entry.entryTtlSeconds = ttlSeconds;
    entry.attributesTtlSeconds = attributesTtlSeconds;
    return entry;
  }
}
