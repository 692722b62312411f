/** Owns reading what an answer of the kernel's protocol says of a file, or of the space there is, as fuse-native takes it. */
import { NAME_MAX_BYTES } from "../kernel/protocol.ts";

const MAX_U32 = 0xffff_ffff;
const MS_PER_SECOND = 1000;
const NS_PER_MS = 1_000_000;

/** As fuse-native's `getattr` gives it; sizes in bytes, times in milliseconds. */
export interface Attributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly size: number;
  readonly dev: number;
  readonly nlink: number;
  readonly ino: number;
  readonly rdev: number;
  readonly blksize: number;
  readonly blocks: number;
  readonly atime: number;
  readonly mtime: number;
  readonly ctime: number;
}

/** fuse-native has 32 bits for it. */
export function inoOf(body: Buffer, at: number): number {
  return body.readUInt32LE(at);
}

/** `fuse_attr`, which begins at `at`. */
export function attributes(body: Buffer, at: number): Attributes {
  const u32 = (offset: number): number => body.readUInt32LE(at + offset);
  const u64 = (offset: number): number => Number(body.readBigUInt64LE(at + offset));
  const ms = (seconds: number, nanoseconds: number): number =>
    u64(seconds) * MS_PER_SECOND + Math.floor(u32(nanoseconds) / NS_PER_MS);
  return {
    ino: inoOf(body, at),
    size: u64(8),
    blocks: u64(16),
    atime: ms(24, 48),
    mtime: ms(32, 52),
    ctime: ms(40, 56),
    mode: u32(60),
    nlink: u32(64),
    uid: u32(68),
    gid: u32(72),
    dev: 0,
    rdev: u32(76),
    blksize: u32(80),
  };
}

/** `fuse_kstatfs`; fuse-native has 32 bits for each. */
export function space(answer: Buffer): Record<string, number> {
  const u64 = (at: number): number => Math.min(Number(answer.readBigUInt64LE(at)), MAX_U32);
  return {
    blocks: u64(0),
    bfree: u64(8),
    bavail: u64(16),
    files: u64(24),
    ffree: u64(32),
    favail: u64(32),
    bsize: answer.readUInt32LE(40),
    frsize: answer.readUInt32LE(48),
    namemax: NAME_MAX_BYTES,
  };
}
