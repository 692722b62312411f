/** Owns bringing the bytes that a restore needs and the store lacks. Must never restore anything itself. */
import { unfetched } from "../lib/absent-bytes.ts";
import type { BlobFetcher } from "../lib/blob-fetcher.ts";
import { PastFiles } from "../lib/past/past-files.ts";
import { resolveReference } from "../lib/past/position.ts";
import type { StoreReader } from "../lib/reader.ts";
import { BASE, type BlobHash } from "../schema/ids.ts";
import type { RestoreInput } from "./thread-calls.ts";

/**
 * To be called when what was just removed is in the log.
 * @throws as resolveReference of lib/past/; PfsError UNAVAILABLE, CORRUPT: something cannot be had
 */
export async function fetchForRestore(
  reader: StoreReader,
  fetcher: BlobFetcher,
  { bookId, reference, paths }: Omit<RestoreInput, "actor">,
): Promise<void> {
  reader.book(bookId);
  const seq = resolveReference(reader.database, bookId, reference);
  const past = new PastFiles(reader.database, bookId, BASE);
  const lacking = new Map<BlobHash, string>();
  for (const path of paths)
    for (const file of past.filesOf(path, seq)) {
      const isAsItWas = reader.file(bookId, file.path)?.sha256 === file.sha256;
      if (!isAsItWas && reader.lacks(file.sha256)) lacking.set(file.sha256, file.path);
    }
  if (lacking.size === 0) return;
  const failures = await fetcher.fetch([...lacking.keys()]);
  for (const [hash, path] of lacking) {
    const failure = failures.get(hash);
    if (failure !== undefined) throw unfetched(path, failure);
  }
}
