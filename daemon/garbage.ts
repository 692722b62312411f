/** Owns the way from garbage that was found to garbage that is gone. Must never find any. */
import { batchesOf, type Collected, sumOf } from "../lib/collect-garbage.ts";
import type { Garbage } from "../lib/garbage.ts";
import type { StoreOwner } from "./store-owner.ts";

/** What came of it, as scripts get it. */
export interface GarbageOutcome {
  readonly dry_run: boolean;
  /** Removed, or with `dry_run` those that would be. */
  readonly blobs: number;
  /** Files without a blob; the same. */
  readonly files: number;
  readonly size_bytes: number;
  /** Needed by nobody, and kept, as no remote is known to have them. */
  readonly kept_for_remote: number;
}

/** Removes garbage, batch by batch: others come in between. */
export async function removeGarbage(
  owner: Pick<StoreOwner, "collectGarbage">,
  garbage: Garbage,
  isDry: boolean,
): Promise<GarbageOutcome> {
  const collected: Collected[] = [];
  for (const batch of batchesOf(garbage)) {
    const sizeBytes = [...batch.blobs, ...batch.files].reduce((sum, each) => sum + each.sizeBytes, 0);
    const wouldGo = { blobs: batch.blobs.length, files: batch.files.length, sizeBytes };
    collected.push(isDry ? wouldGo : await owner.collectGarbage(batch));
  }
  const { blobs, files, sizeBytes } = sumOf(collected);
  return { dry_run: isDry, blobs, files, size_bytes: sizeBytes, kept_for_remote: garbage.keptForRemote };
}
