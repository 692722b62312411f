/**
 * Owns removing bytes from a store that a remote has, a few blobs at a time, so that nobody who saves waits long. What was
 * evicted is fetched again when it is needed. Must never believe that what nobody needed a moment ago still is.
 */
import type { BlobHash } from "../../schema/ids.ts";
import { isOnRemote } from "../absent-bytes.ts";
import type { Library } from "../library.ts";
import { neededSince } from "../needed-blobs.ts";

/** Some of what was found to be evictable, of which a remote has just said that it has it. Plain data. */
export interface Eviction {
  /** As of Evictable. */
  readonly seq: number;
  readonly hashes: readonly BlobHash[];
  /** As of EvictableQuery. */
  readonly usedBefore: number;
}

/** What was removed. */
export interface Evicted {
  readonly blobs: number;
  readonly bytes: number;
}

/** Evicts, in one transaction, what nobody has come to need. */
export function evictBlobs(library: Library, { seq, hashes, usedBefore }: Eviction): Evicted {
  const { store, blobs } = library;
  return store.transaction(() => {
    const kept = new Set([...neededSince(store.database, seq), ...openHashes(library)]);
    const evicted = { blobs: 0, bytes: 0 };
    for (const hash of hashes) {
      const sizeBytes = blobs.sizeOf(hash);
      if (sizeBytes === undefined || kept.has(hash) || blobs.uses.isSince(hash, usedBefore)) continue;
      if (!isOnRemote(store.database, hash)) continue;
      blobs.remove(hash);
      evicted.blobs++;
      evicted.bytes += sizeBytes;
    }
    return evicted;
  });
}

/** The versions that open files began with, drafts too, and those that their paths have now, which a save may have to be merged with. */
function openHashes(library: Library): BlobHash[] {
  const current = library.store.database
    .prepare<unknown[], BlobHash>("SELECT sha256 FROM file_journal WHERE file_id = ?")
    .pluck();
  return library
    .openWorktrees()
    .flatMap(({ tree }) => [...tree.openFiles.values()])
    .flatMap(({ hash, fileId }) => [...(hash === null ? [] : [hash]), ...current.all(fileId)]);
}
