// Bytes to be put on remotes, and bytes that come back.

import { createCipheriv, hash } from "node:crypto";
import type { BlobSource } from "../../lib/remote/remote-blobs.ts";
import type { BlobHash } from "../../schema/ids.ts";

export function hashOf(bytes: Uint8Array): BlobHash {
  return hash("sha256", bytes, "hex") as BlobHash;
}

/** A source of these bytes, in pieces of up to `pieceBytes`, of which only the last two keep what was in them. */
export function sourceOf(content: Uint8Array | string, pieceBytes = 64 * 1024): BlobSource {
  const bytes = Buffer.from(content);
  return {
    hash: hashOf(bytes),
    sizeBytes: bytes.byteLength,
    async *read(start = 0, end = bytes.byteLength) {
      const given: Buffer[] = [];
      for (let at = start; at < end; at += pieceBytes) {
        if (given.length === 2) given.shift()?.fill("overwritten");
        const piece = Buffer.from(bytes.subarray(at, Math.min(at + pieceBytes, end)));
        given.push(piece);
        yield piece;
      }
    },
  };
}

/** So many bytes, the same for the same seed. */
export function bytesOf(sizeBytes: number, seed = 1): Buffer {
  const key = Buffer.alloc(16, seed);
  return createCipheriv("aes-128-ctr", key, Buffer.alloc(16)).update(Buffer.alloc(sizeBytes));
}

export async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(pieces));
}
