/**
 * Owns, as an interface, bringing blobs of a remote into the store for whoever reads from beside its owner, and asking for
 * those of the files that come next, many at once. Must never know what a remote is.
 */
import type { PfsError } from "../schema/errors.ts";
import type { BlobHash } from "../schema/ids.ts";
import type { BookFile, StoreReader } from "./reader.ts";

export interface BlobFetcher {
  /** Brings them into the store, some at a time. Never fails: answers what could not be had, and why. */
  fetch(hashes: readonly BlobHash[]): Promise<ReadonlyMap<BlobHash, PfsError>>;
}

/** Of a window of files: what is fetched before the first of them is read. */
const WINDOW_FILES = 64;
const WINDOW_BYTES = 16 * 1024 * 1024;

/**
 * The files, each once what it lacks here was asked for, together with those that follow it. That something could not be
 * had shows to whoever reads it.
 */
export async function* fetchedAhead(
  reader: StoreReader,
  files: Iterable<BookFile>,
): AsyncGenerator<BookFile, void> {
  if (reader.fetcher === undefined) {
    yield* files;
    return;
  }
  let held: BookFile[] = [];
  let lacking = new Set<BlobHash>();
  let lackingBytes = 0;
  for (const file of files) {
    held.push(file);
    if (!lacking.has(file.sha256) && reader.lacks(file.sha256)) {
      lacking.add(file.sha256);
      lackingBytes += file.sizeBytes;
    }
    if (held.length < WINDOW_FILES && lackingBytes < WINDOW_BYTES) continue;
    if (lacking.size > 0) await reader.fetcher.fetch([...lacking]);
    yield* held;
    [held, lacking, lackingBytes] = [[], new Set(), 0];
  }
  if (lacking.size > 0) await reader.fetcher.fetch([...lacking]);
  yield* held;
}
