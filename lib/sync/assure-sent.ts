/**
 * Owns that bytes are on the remote whose rows came there by an append that was cut off (B1): garbage may have been collected
 * there since they were put, or found, and whoever appends looks for that only afterwards. Must never send what no row names.
 */
import { booksThatShare } from "../shared-rows.ts";
import { CollectionFence } from "./collection-fence.ts";
import { putBlobs } from "./send-blobs.ts";
import type { SyncParts } from "./sync-parts.ts";

/** To be asked after a pull, which finds such rows. @throws PfsError of the remote */
export async function assureSent(parts: SyncParts): Promise<void> {
  const { reader, bookId, sent, log, signal } = parts;
  const named = sent?.all().filter((hash) => booksThatShare(reader.database, hash).includes(bookId)) ?? [];
  if (named.length === 0) return;
  // What is not here any more cannot be sent from here: `pfs verify --remote` says whether it is missing there.
  const isHere = reader.database.prepare("SELECT 1 FROM blob WHERE sha256 = ?").pluck();
  const here = named.filter((hash) => isHere.get(hash) === 1).map((hash) => ({ hash, path: hash }));
  let fence: CollectionFence;
  do {
    fence = await CollectionFence.setUp(log);
    await putBlobs(parts, here);
  } while (!(await fence.holds(signal)));
  sent?.remove(named);
}
