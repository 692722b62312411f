/**
 * Owns that bytes are on the remote whose rows came there by an append that was cut off (B1): garbage may have been collected
 * there since they were put, or found, and whoever appends looks for that only afterwards. Must never send what no row names,
 * nor send it for ever.
 */
import { booksThatShare } from "../shared-rows.ts";
import { CollectionFence, endlessCollection } from "./collection-fence.ts";
import { putBlobs } from "./send-blobs.ts";
import type { SyncParts } from "./sync-parts.ts";

/** One collection may begin while bytes are put; that each time another one does is what only a wrong remote says. */
const MAX_COLLECTIONS = 3;

/** To be asked after a pull, which finds such rows. @throws PfsError of the remote */
export async function assureSent(parts: SyncParts): Promise<void> {
  const { reader, bookId, sent, log, signal } = parts;
  const named = sent?.all().filter((hash) => booksThatShare(reader.database, hash).includes(bookId)) ?? [];
  if (named.length === 0) return;
  // What is not here any more cannot be sent from here: `pfs verify --remote` says whether it is missing there.
  const isHere = reader.database.prepare("SELECT 1 FROM blob WHERE sha256 = ?").pluck();
  const here = named.filter((hash) => isHere.get(hash) === 1).map((hash) => ({ hash, path: hash }));
  for (let collections = 0; ; collections++) {
    if (collections === MAX_COLLECTIONS) throw endlessCollection();
    const fence = await CollectionFence.setUp(log);
    await putBlobs(parts, here);
    if (await fence.holds(signal)) break;
  }
  sent?.remove(named);
}
