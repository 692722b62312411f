/**
 * Owns fetching many blobs from one remote, some at a time, and storing them in batches. Must never give up what came for what
 * did not.
 */
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";
import { runBounded } from "../run-bounded.ts";
import { discardStaged, type StagedBytes } from "../staging.ts";
import { passStep } from "../step.ts";
import { type FetchSource, fetchBlob } from "./fetch-blob.ts";
import type { SyncOwner } from "./sync-owner.ts";

export interface FetchParts extends FetchSource {
  readonly owner: Pick<SyncOwner, "storeBlobs">;
}

const CONCURRENCY = 16;
/** Stored in one transaction of the thread that serves mounts. */
const BATCH_BYTES = 1024 * 1024;
const BATCH_BLOBS = 32;
/** What is wrong with one blob, and says nothing of the others. */
const ONLY_THIS: ReadonlySet<unknown> = new Set(["NOT_FOUND", "CORRUPT"]);

/**
 * Fetches and stores them. Where the remote as a whole fails, or the store, those that have not come have all failed so.
 * @param onFetched told of each that came, which may not be stored yet
 * @returns why what is not stored is not; empty: all of them are
 */
export async function fetchBlobs(
  parts: FetchParts,
  hashes: Iterable<BlobHash>,
  onFetched: (bytes: number) => void = () => undefined,
): Promise<Map<BlobHash, unknown>> {
  const wanted = [...new Set(hashes)];
  const failures = new Map<BlobHash, unknown>();
  const batch = new Batch(parts.owner);
  try {
    await runBounded(wanted, CONCURRENCY, async (hash) => {
      parts.signal?.throwIfAborted();
      let staged: StagedBytes;
      try {
        staged = await fetchBlob(parts, hash);
      } catch (error) {
        if (!(error instanceof PfsError && ONLY_THIS.has(error.code))) throw error;
        failures.set(hash, error);
        return;
      }
      onFetched(staged.sizeBytes);
      await batch.add(staged);
    });
    await batch.store();
  } catch (error) {
    // What has come is worth having; that it cannot be stored either adds nothing.
    await batch.store().catch(() => undefined);
    for (const hash of wanted) if (!batch.stored.has(hash) && !failures.has(hash)) failures.set(hash, error);
  }
  return failures;
}

class Batch {
  readonly stored = new Set<BlobHash>();
  readonly #owner: FetchParts["owner"];
  #held: StagedBytes[] = [];
  #heldBytes = 0;

  constructor(owner: FetchParts["owner"]) {
    this.#owner = owner;
  }

  async add(staged: StagedBytes): Promise<void> {
    this.#held.push(staged);
    this.#heldBytes += staged.sizeBytes;
    if (this.#held.length >= BATCH_BLOBS || this.#heldBytes >= BATCH_BYTES) await this.store();
  }

  /** Stores what is held. What cannot be stored is thrown away. @throws as SyncOwner.storeBlobs */
  async store(): Promise<void> {
    const batch = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    if (batch.length === 0) return;
    try {
      await this.#owner.storeBlobs(batch);
    } catch (error) {
      for (const staged of batch) await discardStaged(staged);
      throw error;
    }
    passStep("fetch.stored");
    for (const { hash } of batch) this.stored.add(hash);
  }
}
