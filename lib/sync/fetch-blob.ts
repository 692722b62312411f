/** Owns getting a blob from a remote, to be stored: what comes is hashed on its way. Must never store it. */
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";
import { discardStaged, type StagedBytes, stageStream } from "../staging.ts";
import { passStep } from "../step.ts";
import type { SyncParts } from "./sync-parts.ts";
import { toldSize } from "./told-size.ts";

/** What is damaged on its way comes right another time; what is damaged there does not. */
const TRIES = 3;
/** Up to here it is not asked how long a blob is to be: looking through the log for that takes as long as so many bytes do. */
const UNASKED_BYTES = 8 * 1024 * 1024;
const HINT = "Another machine may have the right ones: `pfs verify` there.";

/** Where it comes from, and beside which store it is staged. */
export interface FetchSource extends Pick<SyncParts, "reader" | "signal"> {
  readonly blobs: Pick<SyncParts["blobs"], "get">;
}

/** @throws PfsError NOT_FOUND, CORRUPT: the bytes that came are others, each time, or too many; UNAVAILABLE, FULL */
export async function fetchBlob(source: FetchSource, hash: BlobHash): Promise<StagedBytes> {
  for (let tries = 0; tries < TRIES; tries++) {
    const staged = await stageStream(boundedBytes(source, hash), {
      storeDirectory: source.reader.directory,
      limitBytes: Number.POSITIVE_INFINITY,
    });
    passStep("fetch.staged");
    if (staged.hash === hash) return staged;
    await discardStaged(staged);
  }
  throw new PfsError("CORRUPT", `What the remote has as ${hash} are other bytes.`, { hint: HINT });
}

/** What comes, which may be without end. @throws PfsError CORRUPT as soon as it is more than the blob has */
async function* boundedBytes(
  { blobs, reader, signal }: FetchSource,
  hash: BlobHash,
): AsyncGenerator<Uint8Array, void> {
  let limitBytes: number | undefined;
  let sizeBytes = 0;
  for await (const piece of blobs.get(hash, 0, signal)) {
    sizeBytes += piece.byteLength;
    if (sizeBytes > UNASKED_BYTES) limitBytes ??= toldSize(reader.database, hash);
    if (limitBytes !== undefined && sizeBytes > limitBytes)
      throw new PfsError("CORRUPT", `What the remote has as ${hash} is longer than ${limitBytes} bytes.`, {
        hint: HINT,
      });
    yield piece;
  }
}
