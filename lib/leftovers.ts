/**
 * Owns clearing what a killed process left in the store's directory (SC-002): drafts, large blobs whose row was never
 * committed, bytes of scratch whose name was never committed or is gone. Must run before anything else works on the store.
 */
import { existsSync, readdirSync, unlinkSync } from "node:fs";
import { join } from "node:path";
import { isBlobHash } from "../schema/ids.ts";
import { INCOMING, objectPath } from "./blobs.ts";
import type { Store } from "./store.ts";

export function clearLeftovers(store: Store): void {
  clearDrafts(store);
  // Reads the folder, so only when there is a reason: a book's scratch may hold a whole .git.
  if (store.wasLeft) clearScratch(store);
}

function clearDrafts(store: Store): void {
  const folder = join(store.directory, "drafts");
  const isKnown = store.database.prepare("SELECT 1 FROM blob WHERE sha256 = ?");
  for (const name of readdirSync(folder)) {
    const blobHash = name.slice(0, -INCOMING.length);
    if (name.endsWith(INCOMING) && isBlobHash(blobHash) && isKnown.get(blobHash) === undefined) {
      const object = objectPath(store, blobHash);
      if (existsSync(object)) unlinkSync(object);
    }
    unlinkSync(join(folder, name));
  }
}

function clearScratch(store: Store): void {
  const folder = join(store.directory, "scratch");
  const isNamed = store.database.prepare("SELECT 1 FROM worktree_entry WHERE file_id = ?");
  for (const name of readdirSync(folder)) {
    if (isNamed.get(Number(name)) === undefined) unlinkSync(join(folder, name));
  }
}
