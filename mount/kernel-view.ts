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

export class KernelView {
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
    into.uid = node.uid;
    into.gid = node.gid;
    into.blksize = BLKSIZE_BYTES;
    return into;
  }

  /** Makes what `attributes` holds the entry that is told as `nodeid`. */
  entryAs(nodeid: number, ttlSeconds: number): KernelEntry {
    const { entry } = this;
    entry.nodeid = nodeid;
    entry.entryTtlSeconds = ttlSeconds;
    entry.attributesTtlSeconds = ttlSeconds;
    return entry;
  }
}
