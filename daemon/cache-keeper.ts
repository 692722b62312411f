/**
 * Owns keeping the blobs of a store within what the configuration allows, in the background: what remotes have, and nobody has
 * used lately, is evicted, oldest use first. Must never evict what a remote has not said, at that moment, that it has.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { nowSeconds } from "../lib/cache/blob-uses.ts";
import type { Evictable } from "../lib/cache/find-evictable.ts";
import { counter, gauge, type MetricFamily } from "../lib/metric-family.ts";
import type { StoreReader } from "../lib/reader.ts";
import { runBounded } from "../lib/run-bounded.ts";
import { booksThatShare } from "../lib/shared-rows.ts";
import type { BlobHash } from "../schema/ids.ts";
import type { CacheQuery } from "./cache-thread.ts";
import type { MountHost } from "./mount-host.ts";
import type { Syncer } from "./syncer.ts";
import { askThread } from "./thread-answer.ts";

/** How the cache is, for `GET /status`. */
export interface CacheStatus {
  /** Bytes of all blobs that are here; null: they have not been counted yet. */
  readonly bytes: number | null;
  readonly limit_bytes: number;
  /** Since the daemon's start. */
  readonly evicted_blobs: number;
  readonly evicted_bytes: number;
  /** Why there are more bytes than the limit, a whole sentence; null where there are not. */
  readonly problem: string | null;
}

export interface CacheKeeperOptions {
  readonly reader: StoreReader;
  readonly host: MountHost;
  readonly syncer: Pick<Syncer, "blobsOf">;
  /** Undefined: everything is kept. */
  limitBytes(): number | undefined;
  /** Told of each problem that is not the one of before, in a whole sentence. */
  onFault(message: string): void;
}

/** How often it is looked whether there is something to do. */
const INTERVAL_MS = 60_000;
const SOON_MS = 1_000;
/** What was used this short a while ago stays: whoever has just fetched it is about to read it. */
const KEPT_SECONDS = 600;
/** So much below the limit that what comes next does not go over it at once. */
const TARGET = 0.9;
/** Of one transaction of the thread that serves mounts. */
const BATCH = 32;
/** Others come in between. */
const PAUSE_MS = 5;
const CONCURRENCY = 8;

export class CacheKeeper {
  readonly #options: CacheKeeperOptions;
  readonly #abort = new AbortController();
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #bytes: number | undefined;
  #evictedBlobs = 0;
  #evictedBytes = 0;
  #problem: string | undefined;

  constructor(options: CacheKeeperOptions) {
    this.#options = options;
  }

  /** To be called when something may be to be done: at the start, when the limit is another one, when bytes have come. */
  soon(): void {
    this.#schedule(SOON_MS);
  }

  /** Null where no limit is set. */
  status(): CacheStatus | null {
    const limit = this.#options.limitBytes();
    if (limit === undefined) return null;
    return {
      bytes: this.#bytes ?? null,
      limit_bytes: limit,
      evicted_blobs: this.#evictedBlobs,
      evicted_bytes: this.#evictedBytes,
      problem: this.#problem ?? null,
    };
  }

  families(): MetricFamily[] {
    const limit = this.#options.limitBytes();
    return [
      ...(limit === undefined
        ? []
        : [
            gauge(
              "pfs_cache_limit_bytes",
              "How many bytes of blobs the store is to keep at the most.",
              limit,
            ),
          ]),
      ...(limit === undefined || this.#bytes === undefined
        ? []
        : [gauge("pfs_cache_bytes", "Bytes of all blobs that are here, up to a minute old.", this.#bytes)]),
      counter(
        "pfs_evicted_blobs_total",
        "Blobs that were removed here since the start, as a remote has them.",
        this.#evictedBlobs,
      ),
      counter("pfs_evicted_bytes_total", "Bytes of these.", this.#evictedBytes),
    ];
  }

  async close(): Promise<void> {
    this.#abort.abort(new Error("the daemon is stopping"));
    clearTimeout(this.#timer);
    await this.#running;
  }

  #schedule(delayMs: number): void {
    if (this.#abort.signal.aborted || this.#running !== undefined) return;
    clearTimeout(this.#timer);
    if (this.#options.limitBytes() === undefined) {
      this.#bytes = this.#problem = undefined;
      return;
    }
    this.#timer = setTimeout(() => {
      this.#running = this.#run().finally(() => {
        this.#running = undefined;
        this.#schedule(INTERVAL_MS);
      });
    }, delayMs).unref();
  }

  /** Never fails. */
  async #run(): Promise<void> {
    try {
      const limit = this.#options.limitBytes();
      if (limit !== undefined) this.#tell(await this.#keepWithin(limit));
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (!this.#abort.signal.aborted) this.#tell(`Nothing more is evicted for now. ${message}`);
    }
  }

  #tell(problem: string | undefined): void {
    if (problem !== undefined && problem !== this.#problem) this.#options.onFault(problem);
    this.#problem = problem;
  }

  /** Answers why that could not be done, if it could not. */
  async #keepWithin(limit: number): Promise<string | undefined> {
    const { reader, host } = this.#options;
    const { signal } = this.#abort;
    while ((await host.call("saveBlobUses", {})) > 0) await sleep(PAUSE_MS, undefined, { signal });
    const usedBefore = nowSeconds() - KEPT_SECONDS;
    const query: CacheQuery = { storeDirectory: reader.directory, limitBytes: limit, usedBefore };
    const found = await askThread<Evictable>("cache-thread", { name: "pfs-cache", data: query, signal });
    this.#bytes = found.cachedBytes;
    const target = limit * TARGET;
    let lacking = 0;
    for (const batch of batchesOf(found.blobs, () => this.#countedBytes() - target)) {
      const hashes = await this.#stillShared(batch);
      lacking += batch.length - hashes.length;
      const { blobs, bytes } = await host.call("evictBlobs", { seq: found.seq, hashes, usedBefore });
      this.#bytes = this.#countedBytes() - bytes;
      this.#evictedBlobs += blobs;
      this.#evictedBytes += bytes;
      await sleep(PAUSE_MS, undefined, { signal });
    }
    if (lacking > 0)
      return `Remotes lack ${lacking === 1 ? "1 blob" : `${lacking} blobs`} that they were known to have, which is not evicted: \`pfs repair --remote BOOK\` sends them again.`;
    if (this.#countedBytes() <= limit) return undefined;
    return "There are more bytes than cache_limit allows: they are not sent yet, somebody needs them, or they were just used.";
  }

  #countedBytes(): number {
    return this.#bytes ?? 0;
  }

  /** Those of which a remote says now that it has them. @throws PfsError UNAVAILABLE: nobody can be asked */
  async #stillShared(hashes: readonly BlobHash[]): Promise<BlobHash[]> {
    const { reader, syncer } = this.#options;
    const { signal } = this.#abort;
    const shared = new Set<BlobHash>();
    await runBounded(hashes, CONCURRENCY, async (hash) => {
      for (const bookId of booksThatShare(reader.database, hash)) {
        if (!(await (await syncer.blobsOf(bookId)).has(hash, signal))) continue;
        shared.add(hash);
        return;
      }
    });
    return hashes.filter((hash) => shared.has(hash));
  }
}

/** A few at a time, and no more than are too many. @param excess how many bytes are too many now */
function* batchesOf(blobs: Evictable["blobs"], excess: () => number): Generator<BlobHash[], void> {
  for (let at = 0; at < blobs.length && excess() > 0; ) {
    const batch: BlobHash[] = [];
    let bytes = 0;
    while (at < blobs.length && batch.length < BATCH && bytes < excess()) {
      const { hash, sizeBytes } = blobs[at++] as Evictable["blobs"][number];
      batch.push(hash);
      bytes += sizeBytes;
    }
    yield batch;
  }
}
