/**
 * What the kernel is told of a node: attributes, entries and how long it may believe them, as objects and as
 * bytes. Owns the layout of `struct fuse_attr` and `fuse_entry_out` (include/uapi/linux/fuse.h); knows no files.
 */
import { STRUCT_BYTES } from "./protocol.ts";

const TWO_32 = 0x1_0000_0000;
/** Longest TTL that is sent: a century, far below where the kernel's own arithmetic saturates. */
const MAX_TTL_SECONDS = 3_155_760_000;

/** `struct fuse_attr`. Seconds may be negative (before 1970); nanoseconds are 0 to 999,999,999. */
export interface KernelAttributes {
  ino: number;
  size: number;
  /** In units of 512 bytes. */
  blocks: number;
  atimeSeconds: number;
  atimeNanoseconds: number;
  mtimeSeconds: number;
  mtimeNanoseconds: number;
  ctimeSeconds: number;
  ctimeNanoseconds: number;
  /** Type and permission bits (`S_IF…`). */
  mode: number;
  nlink: number;
  uid: number;
  gid: number;
  blksize: number;
}

/** `struct fuse_entry_out`: the answer to a lookup. TTLs may have a fraction; Infinity means a century. */
export interface KernelEntry {
  nodeid: number;
  /** Tells apart nodes that were given the same nodeid one after another. */
  generation: number;
  entryTtlSeconds: number;
  attributesTtlSeconds: number;
  attributes: KernelAttributes;
}

/** Writes a safe integer, negative or not, as 64 bits. */
export function writeInt64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / TWO_32) >>> 0, true);
}

/** Writes the seconds of a TTL at `secondsAt` (u64) and its fraction at `nanosecondsAt` (u32). */
export function writeTtl(view: DataView, secondsAt: number, nanosecondsAt: number, ttlSeconds: number): void {
  const bounded = ttlSeconds > 0 ? Math.min(ttlSeconds, MAX_TTL_SECONDS) : 0;
  const seconds = Math.floor(bounded);
  writeInt64(view, secondsAt, seconds);
  view.setUint32(nanosecondsAt, Math.floor((bounded - seconds) * 1e9), true);
}

/** Writes `struct fuse_attr` (88 bytes). rdev and flags are 0: device nodes are never served. */
export function writeAttributes(view: DataView, at: number, attributes: KernelAttributes): void {
  writeInt64(view, at, attributes.ino);
  writeInt64(view, at + 8, attributes.size);
  writeInt64(view, at + 16, attributes.blocks);
  writeInt64(view, at + 24, attributes.atimeSeconds);
  writeInt64(view, at + 32, attributes.mtimeSeconds);
  writeInt64(view, at + 40, attributes.ctimeSeconds);
  view.setUint32(at + 48, attributes.atimeNanoseconds, true);
  view.setUint32(at + 52, attributes.mtimeNanoseconds, true);
  view.setUint32(at + 56, attributes.ctimeNanoseconds, true);
  view.setUint32(at + 60, attributes.mode, true);
  view.setUint32(at + 64, attributes.nlink, true);
  view.setUint32(at + 68, attributes.uid, true);
  view.setUint32(at + 72, attributes.gid, true);
  view.setUint32(at + 76, 0, true);
  view.setUint32(at + 80, attributes.blksize, true);
  view.setUint32(at + 84, 0, true);
}

/** Writes `struct fuse_entry_out` (128 bytes). */
export function writeEntry(view: DataView, at: number, entry: KernelEntry): void {
  writeInt64(view, at, entry.nodeid);
  writeInt64(view, at + 8, entry.generation);
  writeTtl(view, at + 16, at + 32, entry.entryTtlSeconds);
  writeTtl(view, at + 24, at + 36, entry.attributesTtlSeconds);
  writeAttributes(view, at + 40, entry.attributes);
}

/** Writes an entry that says "no such name, and none for `ttlSeconds`": nodeid 0, everything else 0. */
export function writeNegativeEntry(view: DataView, at: number, ttlSeconds: number): void {
  for (let offset = 0; offset < STRUCT_BYTES.entry_out; offset += 4) view.setUint32(at + offset, 0, true);
  writeTtl(view, at + 16, at + 32, ttlSeconds);
}

/**
 * Writes `struct fuse_statx` (256 bytes) with `STATX_BASIC_STATS` of linux/stat.h, and with STATX_BTIME when a
 * birth time is given.
 */
export function writeStatx(
  view: DataView,
  at: number,
  { attributes, birthSeconds, birthNanoseconds }: StatxFields,
): void {
  for (let offset = 0; offset < 256; offset += 4) view.setUint32(at + offset, 0, true);
  view.setUint32(at, birthSeconds === undefined ? 0x7ff : 0xfff, true);
  view.setUint32(at + 4, attributes.blksize, true);
  view.setUint32(at + 16, attributes.nlink, true);
  view.setUint32(at + 20, attributes.uid, true);
  view.setUint32(at + 24, attributes.gid, true);
  view.setUint16(at + 28, attributes.mode, true);
  writeInt64(view, at + 32, attributes.ino);
  writeInt64(view, at + 40, attributes.size);
  writeInt64(view, at + 48, attributes.blocks);
  writeInt64(view, at + 64, attributes.atimeSeconds);
  view.setUint32(at + 72, attributes.atimeNanoseconds, true);
  writeInt64(view, at + 80, birthSeconds ?? 0);
  view.setUint32(at + 88, birthNanoseconds ?? 0, true);
  writeInt64(view, at + 96, attributes.ctimeSeconds);
  view.setUint32(at + 104, attributes.ctimeNanoseconds, true);
  writeInt64(view, at + 112, attributes.mtimeSeconds);
  view.setUint32(at + 120, attributes.mtimeNanoseconds, true);
}

/** What a STATX answer holds. */
export interface StatxFields {
  attributes: KernelAttributes;
  attributesTtlSeconds: number;
  birthSeconds?: number;
  birthNanoseconds?: number;
}
