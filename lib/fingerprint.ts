/**
 * Owns by what a file is known to hold the bytes that it held before. Must never read them.
 */
import type { BigIntStats } from "node:fs";

/** Changes whenever the file's bytes may have changed. */
export function fingerprintOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `${ino}:${size}:${mtimeNs}`;
}
