/**
 * Owns giving the shared log a change that no log has yet, for whoever is only done once it is there (`sync=strict`). Has no time
 * of its own: it is a step, of which nothing stays here but what others did.
 */
import { FIRST_STRICT_SEQ, type RowToShare } from "../../schema/shared-row.ts";
import type { ShareOutcome } from "../errands.ts";
import { filePieces } from "../file-pieces.ts";
import type { BlobSource } from "../remote/remote-blobs.ts";
import { headBehind } from "../remote/shared-chain.ts";
import type { SpareMemory } from "../spare-memory.ts";
import type { StagedBytes } from "../staging.ts";
import { passStep } from "../step.ts";
import type { ChangeToShare } from "../strict-change.ts";
import { CollectionFence } from "./collection-fence.ts";
import { pull, pulledHeadOf } from "./pull.ts";
import { push } from "./push.ts";
import { putBlobs, sendBlobs } from "./send-blobs.ts";
import type { SyncParts } from "./sync-parts.ts";

/** What came of it where the remote could be asked. */
export type SharedFirst = Exclude<ShareOutcome, { type: "failed" }>;

/**
 * Pushes what waits, as the change comes after it, and then the change, unless what was pulled for that is about the same files.
 * @throws as push; then the shared log may have the change, which the next pull brings, or not
 */
export async function shareFirst(parts: SyncParts, change: ChangeToShare): Promise<SharedFirst> {
  const { log, bookId, storeId, signal } = parts;
  await push(parts);
  const fence = await CollectionFence.setUp(log);
  const carried = new Map(change.blobs.map((blob) => [blob.hash, sourceOf(blob)]));
  const sent = await sendBlobs(parts, change.rows, carried);
  passStep("share.all-put");
  const rows = identify(change, storeId);
  signal?.throwIfAborted();
  const pulledHead = pulledHeadOf(parts);
  const outcome = await log.append(bookId, rows, change.pulledSeq);
  if (outcome.type === "moved") {
    await pull(parts);
    return { type: "moved" };
  }
  passStep("share.appended");
  // What was found there may have been garbage until now.
  if (!(await fence.holds(signal))) await putBlobs(parts, sent, carried);
  parts.sent?.clear();
  return { type: "shared", seqs: outcome.seqs, until: headBehind(pulledHead, rows, outcome.seqs) };
}

let lastSeq = FIRST_STRICT_SEQ;

/** Once for each change: what is sent again must be the same rows (O1). */
function identify({ rows }: ChangeToShare, storeId: string): RowToShare[] {
  const first = Math.max(lastSeq + 1, Math.floor((performance.timeOrigin + performance.now()) * 1000));
  lastSeq = first + rows.length;
  return rows.map((row, index) => ({ ...row, origin: storeId, origin_seq: first + index }));
}

function sourceOf({ hash, sizeBytes, content }: StagedBytes): BlobSource {
  return {
    hash,
    sizeBytes,
    async *read(start = 0, end = sizeBytes, memory?: SpareMemory) {
      if (end <= start) return;
      if ("bytes" in content) yield content.bytes.subarray(start, end);
      else yield* filePieces(content.stagedPath, start, end, memory);
    },
  };
}
