/**
 * Owns sending bytes to a remote before the rows that name them (B1). Must never believe that it has what no row there names.
 */
import type { BlobHash } from "../../schema/ids.ts";
import type { RowToShare } from "../../schema/shared-row.ts";
import type { BlobSource } from "../remote/remote-blobs.ts";
import { runBounded } from "../run-bounded.ts";
import { booksThatShare } from "../shared-rows.ts";
import { passStep } from "../step.ts";
import { blobSource } from "./blob-source.ts";
import type { SyncParts } from "./sync-parts.ts";

const CONCURRENCY = 8;

/** Bytes that are to be sent and are in no store yet. */
type CarriedBlobs = ReadonlyMap<BlobHash, BlobSource>;

/** Bytes that were sent. */
export interface Sent {
  readonly hash: BlobHash;
  /** For messages. */
  readonly path: string;
}

/**
 * Sends bytes that the remote is not known to have. It is only known when rows of its log name them, for ever: what no row
 * names may be collected as garbage there.
 */
export async function sendBlobs(
  parts: SyncParts,
  rows: readonly Pick<RowToShare, "status" | "new_hash" | "path">[],
  carried?: CarriedBlobs,
): Promise<Sent[]> {
  const paths = new Map<BlobHash, string>();
  for (const { status, new_hash, path } of rows)
    if (status === "ok" && new_hash !== null) paths.set(new_hash as BlobHash, path);
  const absent = [...paths]
    .filter(([hash]) => !booksThatShare(parts.reader.database, hash).includes(parts.bookId))
    .map(([hash, path]) => ({ hash, path }));
  await putBlobs(parts, absent, carried);
  return absent;
}

export async function putBlobs(
  parts: SyncParts,
  absent: readonly Sent[],
  carried?: CarriedBlobs,
): Promise<void> {
  const { reader, blobs, signal, sent, onProgress } = parts;
  await runBounded(absent, CONCURRENCY, async ({ hash, path }) => {
    signal?.throwIfAborted();
    const source = carried?.get(hash) ?? blobSource(reader, hash, path);
    const isThere = sent?.has(hash) === true && (await blobs.has(hash, signal));
    const outcome = isThere ? "present" : await blobs.put(source, signal);
    passStep("push.put");
    if (!isThere) sent?.add(hash);
    passStep("push.put-noted");
    onProgress?.({ type: "sent", bytes: outcome === "stored" ? source.sizeBytes : 0 });
  });
}
