/** Owns getting a blob from a remote, to be stored: what comes is hashed on its way. Must never store it. */
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";
import { discardStaged, type StagedBytes, stageStream } from "../staging.ts";
import { passStep } from "../step.ts";
import type { SyncParts } from "./sync-parts.ts";

/** What is damaged on its way comes right another time; what is damaged there does not. */
const TRIES = 3;

/** Where it comes from, and beside which store it is staged. */
export interface FetchSource extends Pick<SyncParts, "reader" | "signal"> {
  readonly blobs: Pick<SyncParts["blobs"], "get">;
}

/** @throws PfsError NOT_FOUND, CORRUPT: the bytes that came are others, each time; UNAVAILABLE, FULL */
export async function fetchBlob(
  { blobs, reader, signal }: FetchSource,
  hash: BlobHash,
): Promise<StagedBytes> {
  for (let tries = 0; tries < TRIES; tries++) {
    const staged = await stageStream(blobs.get(hash, 0, signal), {
      storeDirectory: reader.directory,
      limitBytes: Number.MAX_SAFE_INTEGER - 1,
    });
    passStep("fetch.staged");
    if (staged.hash === hash) return staged;
    await discardStaged(staged);
  }
  throw new PfsError("CORRUPT", `What the remote has as ${hash} are other bytes.`, {
    hint: "Another machine may have the right ones: `pfs verify` there.",
  });
}
