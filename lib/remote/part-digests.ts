/** Owns looking through bytes before they are sent: whether they are those of their hash, and the MD5 of each part. */
import { createHash } from "node:crypto";
import type { BlobSource } from "./remote-blobs.ts";
import { verified } from "./verified.ts";

/**
 * MD5 of each part of `partBytes`, the last one with the rest, in base64.
 * @throws RemoteError CORRUPT
 */
export async function digestParts(
  source: BlobSource,
  partBytes: number,
  signal: AbortSignal | undefined,
): Promise<string[]> {
  const digests: string[] = [];
  let digest = createHash("md5");
  let filledBytes = 0;
  for await (const piece of verified(source, source.read())) {
    signal?.throwIfAborted();
    for (let at = 0; at < piece.byteLength; ) {
      const taken = piece.subarray(at, at + partBytes - filledBytes);
      digest.update(taken);
      filledBytes += taken.byteLength;
      at += taken.byteLength;
      if (filledBytes < partBytes) continue;
      digests.push(digest.digest("base64"));
      digest = createHash("md5");
      filledBytes = 0;
    }
  }
  if (filledBytes > 0) digests.push(digest.digest("base64"));
  return digests;
}
