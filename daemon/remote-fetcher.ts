/**
 * Owns bringing blobs from whichever remote has them: that of a book that shares them, and of another book if that one fails.
 * Must never open a remote itself.
 */
import type { BlobFetcher } from "../lib/blob-fetcher.ts";
import type { StoreReader } from "../lib/reader.ts";
import type { RemoteBlobs } from "../lib/remote/remote-blobs.ts";
import { booksThatShare } from "../lib/shared-rows.ts";
import { fetchBlobs } from "../lib/sync/fetch-blobs.ts";
import { PfsError } from "../schema/errors.ts";
import type { BlobHash, BookId } from "../schema/ids.ts";
import { StallLimit } from "./stall-limit.ts";
import type { StoreOwner } from "./store-owner.ts";

export interface RemoteFetcherOptions {
  readonly reader: StoreReader;
  readonly owner: Pick<StoreOwner, "storeBlobs">;
  /** The blobs of a shared book's remote. @throws as BookSync.remote */
  blobsOf(bookId: BookId): Promise<RemoteBlobs>;
  readonly signal?: AbortSignal;
  /** How long nothing may come, where somebody waits who cannot do without; by default as long as the remote's own limits allow. */
  readonly stallMs?: number;
}

export class RemoteFetcher implements BlobFetcher {
  readonly #options: RemoteFetcherOptions;

  constructor(options: RemoteFetcherOptions) {
    this.#options = options;
  }

  async fetch(hashes: readonly BlobHash[]): Promise<ReadonlyMap<BlobHash, PfsError>> {
    const { reader } = this.#options;
    const failures = new Map<BlobHash, unknown>(hashes.map((hash) => [hash, NOBODY]));
    const asked = new Map<BookId, BlobHash[]>();
    for (const hash of failures.keys())
      for (const bookId of booksThatShare(reader.database, hash))
        asked.set(bookId, [...(asked.get(bookId) ?? []), hash]);
    for (const [bookId, shared] of asked) {
      const wanted = shared.filter((hash) => failures.has(hash));
      const found = await this.#fetchOf(bookId, wanted);
      for (const hash of wanted) {
        if (found.has(hash)) failures.set(hash, found.get(hash));
        else failures.delete(hash);
      }
    }
    return new Map([...failures].map(([hash, error]) => [hash, asFailure(error)]));
  }

  async #fetchOf(bookId: BookId, hashes: readonly BlobHash[]): Promise<Map<BlobHash, unknown>> {
    const { reader, owner, blobsOf, signal, stallMs } = this.#options;
    const limit =
      stallMs === undefined ? undefined : new StallLimit(stallMs, signal ?? new AbortController().signal);
    try {
      const remote = await blobsOf(bookId);
      const get: RemoteBlobs["get"] = (...args) => limit?.watch(remote.get(...args)) ?? remote.get(...args);
      return await fetchBlobs({ reader, owner, blobs: { get }, signal: limit?.signal ?? signal }, hashes);
    } catch (error) {
      return new Map(hashes.map((hash) => [hash, error]));
    } finally {
      limit?.end();
    }
  }
}

const NOBODY = new PfsError("UNAVAILABLE", "No book that is shared has these bytes.");

function asFailure(error: unknown): PfsError {
  if (error instanceof PfsError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new PfsError("UNAVAILABLE", `They could not be fetched: ${message}.`, { cause: error });
}
