/**
 * Owns doing an errand, in a thread that may wait. Must never be used in the mount thread.
 */
import { createHash } from "node:crypto";
import { open } from "node:fs/promises";
import type { BlobHash } from "../schema/ids.ts";
import { makeArchiveFile } from "./archive/archive-file.ts";
import type { BlobFetcher } from "./blob-fetcher.ts";
import type {
  Errand,
  ErrandOutcome,
  FetchErrand,
  HashErrand,
  HashOutcome,
  MetricsErrand,
  ShareErrand,
} from "./errands.ts";
import { fingerprintOf } from "./fingerprint.ts";
import { allocatePageAligned } from "./libc.ts";
import { PAGE_ROWS } from "./log-pages.ts";
import { searchLog } from "./log-search.ts";
import { StoreReader } from "./reader.ts";
import { verifyLog } from "./verify.ts";

export interface ErrandOptions {
  /** Ends the making of an archive, of which nothing is left then. */
  readonly signal?: AbortSignal | undefined;
  /** Brings what an archive needs and the store lacks. */
  readonly fetcher?: BlobFetcher | undefined;
}

const CHUNK_BYTES = 1024 * 1024;

/**
 * Undefined when the file changed meanwhile.
 * @throws NodeJS.ErrnoException when it cannot be read or synced; as StoreReader.open; the signal's reason
 */
export async function runErrand(
  errand: Exclude<Errand, MetricsErrand | FetchErrand | ShareErrand>,
  storeDirectory: string,
  { signal, fetcher }: ErrandOptions = {},
): Promise<ErrandOutcome | undefined> {
  if (errand.type === "hash") return hashFile(errand);
  if (errand.type === "archive") return makeArchiveFile(errand, storeDirectory, { signal, fetcher });
  const reader = StoreReader.openBeside(storeDirectory);
  try {
    if (errand.type === "check-log") return await verifyLog(reader);
    return await searchLog(reader.database, errand.search, PAGE_ROWS);
  } finally {
    reader.close();
  }
}

async function hashFile({ path, sync }: HashErrand): Promise<HashOutcome | undefined> {
  const file = await open(path, "r");
  try {
    const before = fingerprintOf(await file.stat({ bigint: true }));
    const hash = createHash("sha256");
    const chunk = allocatePageAligned(0, CHUNK_BYTES);
    for (;;) {
      const { bytesRead } = await file.read(chunk, 0, CHUNK_BYTES, null);
      if (bytesRead === 0) break;
      hash.update(chunk.subarray(0, bytesRead));
    }
    if (sync) await file.datasync();
    const fingerprint = fingerprintOf(await file.stat({ bigint: true }));
    return fingerprint === before ? { hash: hash.digest("hex") as BlobHash, fingerprint } : undefined;
  } finally {
    await file.close();
  }
}
