/**
 * Owns removing what a store keeps for nobody, a few blobs at a time, so that nobody who saves waits long. Must never believe
 * that what was garbage a moment ago still is.
 */
import type { Garbage } from "./garbage.ts";
import type { Library } from "./library.ts";
import { neededSince } from "./needed-blobs.ts";

/** Of one call of {@link collectGarbage}: some milliseconds, where files are large. */
const BATCH = 100;

/** What was removed. */
export interface Collected {
  readonly blobs: number;
  readonly files: number;
  readonly sizeBytes: number;
}

/** Garbage in pieces that may be given to {@link collectGarbage}. */
export function* batchesOf({ seq, blobs, files, keptForRemote }: Garbage): Generator<Garbage, void> {
  for (let at = 0; at < blobs.length; at += BATCH)
    yield { seq, blobs: blobs.slice(at, at + BATCH), files: [], keptForRemote };
  for (let at = 0; at < files.length; at += BATCH)
    yield { seq, blobs: [], files: files.slice(at, at + BATCH), keptForRemote };
}

/** Removes, in one transaction, what of a batch nobody has come to need since it was found. */
export function collectGarbage({ store, blobs: stored }: Library, garbage: Garbage): Collected {
  return store.transaction(() => {
    const needed = neededSince(store.database, garbage.seq);
    // A decided conflict is kept for its bytes' sake alone.
    const forget = store.database.prepare("DELETE FROM conflict WHERE ended IS NOT NULL AND mine = ?");
    // Rows after that may have moved into segments meanwhile.
    const isMoved = store.database.prepare("SELECT 1 FROM moved_version WHERE sha256 = unhex(?)");
    const blobs = garbage.blobs.filter(
      ({ hash }) => !needed.has(hash) && isMoved.get(hash) === undefined && stored.has(hash),
    );
    for (const { hash } of blobs) {
      stored.remove(hash);
      forget.run(hash);
    }
    const files = garbage.files.filter(({ hash }) => stored.removeStray(hash));
    const sizeBytes = [...blobs, ...files].reduce((sum, each) => sum + each.sizeBytes, 0);
    return { blobs: blobs.length, files: files.length, sizeBytes };
  });
}

/** Adds up what the calls for all batches have removed. */
export function sumOf(collected: readonly Collected[]): Collected {
  const sum = (field: keyof Collected): number => collected.reduce((all, each) => all + each[field], 0);
  return { blobs: sum("blobs"), files: sum("files"), sizeBytes: sum("sizeBytes") };
}
