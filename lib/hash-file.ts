/**
 * Owns hashing bytes that are in a file. Must never keep a file open.
 */
import { createHash, type Hash } from "node:crypto";
import { readSync } from "node:fs";
import type { BlobHash } from "../schema/ids.ts";
import { allocatePageAligned } from "./libc.ts";

const CHUNK_BYTES = 1024 * 1024;
let chunk: Buffer | undefined;

/** Feeds bytes `start` to `end` of the open file to `hash`. Stops early at the end of the file. */
export function hashRange(hash: Hash, fd: number, start: number, end: number): void {
  chunk ??= allocatePageAligned(0, CHUNK_BYTES);
  let offset = start;
  while (offset < end) {
    const length = readSync(fd, chunk, 0, Math.min(CHUNK_BYTES, end - offset), offset);
    if (length === 0) return;
    hash.update(length === CHUNK_BYTES ? chunk : chunk.subarray(0, length));
    offset += length;
  }
}

/** SHA-256 of the first `sizeBytes` of the open file. */
export function hashOpenFile(fd: number, sizeBytes: number): BlobHash {
  const hash = createHash("sha256");
  hashRange(hash, fd, 0, sizeBytes);
  return hash.digest("hex") as BlobHash;
}
