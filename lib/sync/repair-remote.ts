/**
 * Owns mending what a remote has of a book: bytes that are missing or wrong are sent again from this store, published copies
 * are made what the log says. Must never change the log, nor take bytes away before good ones are at hand.
 */
import { PfsError } from "../../schema/errors.ts";
import type { RemoteBlobs } from "../remote/remote-blobs.ts";
import { verified } from "../remote/verified.ts";
import { MovedRows } from "../retention/moved-rows.ts";
import { openSegment, type Segment } from "../retention/segment.ts";
import type { Finding } from "../verify.ts";
import { blobSource } from "./blob-source.ts";
import { segmentName } from "./move-book.ts";
import { isOfOneFile, type PublishParts, publishNames } from "./publish.ts";
import type { RemoteCheckParts } from "./remote-check.ts";
import type { BadVersion } from "./shared-history.ts";
import { type RemoteVerifyOptions, verifyRemote } from "./verify-remote.ts";

export type RemoteRepairParts = RemoteCheckParts &
  PublishParts & { readonly blobs: Pick<RemoteBlobs, "delete" | "putSegment"> };

export interface RemoteRepaired {
  /** What was mended: hashes of bytes and segments that were sent, names that were published or taken away. */
  readonly sent: readonly string[];
  readonly published: readonly string[];
  /** What is wrong afterwards. */
  readonly left: readonly Finding[];
}

/**
 * Verifies, mends, and verifies again if there was anything to mend.
 * @throws PfsError of the remote; STORE_BUSY: another machine is publishing the book
 */
export async function repairRemote(
  parts: RemoteRepairParts,
  options: RemoteVerifyOptions = {},
): Promise<RemoteRepaired> {
  const { findings, damage } = await verifyRemote(parts, options);
  const sent: string[] = [];
  for (const bad of damage.blobs) if (await send(parts, bad)) sent.push(bad.hash);
  for (const segment of damage.segments) if (await sendSegment(parts, segment)) sent.push(segment.sha256);
  const published = damage.isLogSound ? [...damage.names] : [];
  if (published.length > 0) await publishAgain(parts, published);
  if (sent.length === 0 && published.length === 0) return { sent, published, left: findings };
  const again = await verifyRemote(parts, options);
  return { sent, published, left: again.findings };
}

/** Sends bytes again. @returns false where this store does not have them */
async function send(parts: RemoteRepairParts, { hash, path, storedBytes }: BadVersion): Promise<boolean> {
  const { blobs, reader, signal } = parts;
  try {
    const source = blobSource(reader, hash, path);
    // A put leaves what is there; what is bad goes only once it is known that there is better.
    for await (const _ of verified(source, source.read())) signal?.throwIfAborted();
    if (storedBytes !== undefined) await blobs.delete(hash, signal);
    await blobs.put(source, signal);
    return true;
  } catch (error) {
    if (isOfOneFile(error)) return false;
    throw error;
  }
}

/** @returns false where this store has not got it as it was */
async function sendSegment(
  { blobs, reader, storeId, signal }: RemoteRepairParts,
  segment: Segment,
): Promise<boolean> {
  const moved = MovedRows.of(reader.database);
  let bytes: Uint8Array;
  try {
    bytes = moved.bytesOf(segment);
    openSegment(segment, bytes);
  } catch (error) {
    if (error instanceof PfsError && error.code === "CORRUPT") return false;
    throw error;
  }
  await blobs.putSegment(segmentName(segment, storeId), bytes, signal);
  return true;
}

async function publishAgain(parts: RemoteRepairParts, names: readonly string[]): Promise<void> {
  const { type } = await publishNames(parts, names);
  if (type === "done") return;
  throw new PfsError("STORE_BUSY", `Another machine is publishing the book ${parts.bookId}.`, {
    hint: "Repair it again in some minutes. If that machine is gone, its claim ends within ten.",
  });
}
