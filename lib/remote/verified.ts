/** Owns that no bytes go to a remote under a hash that is not theirs. Must never hold more than a piece of them. */
import { createHash } from "node:crypto";
import type { BlobSource } from "./remote-blobs.ts";
import { RemoteError } from "./remote-error.ts";

/**
 * The pieces of a source, read from its beginning, as they come.
 * @param pieces in memory that nobody else uses when the reading has ended, as the last one is held back until then
 * @throws RemoteError CORRUPT in place of the last one when they are not what the source says: whoever takes them is never
 *   given the whole
 */
export async function* verified(
  { hash, sizeBytes }: Pick<BlobSource, "hash" | "sizeBytes">,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  const digest = createHash("sha256");
  let readBytes = 0;
  let held: Uint8Array | undefined;
  for await (const piece of pieces) {
    digest.update(piece);
    readBytes += piece.byteLength;
    if (held !== undefined) yield held;
    held = piece;
  }
  if (readBytes !== sizeBytes || digest.digest("hex") !== hash) {
    throw new RemoteError("CORRUPT", `The bytes to be stored as ${hash} are not those of that hash.`, {
      hint: "Run `pfs verify` for all that is damaged here.",
      isRetryable: false,
    });
  }
  if (held !== undefined) yield held;
}
