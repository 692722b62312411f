/**
 * Owns mending a store: what can be made again from the log and the bytes is, in the order in which one needs the other.
 * Must never change a row of the log, nor throw bytes away that anything names.
 */
import { clearLeftovers } from "./leftovers.ts";
import { StoreReader } from "./reader.ts";
import { repairBlobs } from "./repair/blobs.ts";
import { repairDatabase, repairIndices } from "./repair/database.ts";
import { repairJournal } from "./repair/journal.ts";
import type { Mended, Tell } from "./repair/mended.ts";
import { repairNodes } from "./repair/nodes.ts";
import { repairTree } from "./repair/tree.ts";
import { Store } from "./store.ts";
import { type Finding, verifyLog, verifyStore } from "./verify.ts";
import { noteUntold } from "./worktree/tell-sight.ts";

export interface RepairOutcome {
  readonly mended: readonly Mended[];
  /** What is still wrong: nobody but a backup knows what was there. */
  readonly left: readonly Finding[];
}

/**
 * Mends what it can, as the store's one owner. Killed at any moment it may be run again.
 * @throws as Store.open with `create: false`; PfsError STORE_DAMAGED: it cannot be opened at all
 */
export async function repairStore(directory: string): Promise<RepairOutcome> {
  const mended: Mended[] = [];
  const tell: Tell = (rule, subject, message) => void mended.push({ rule, subject, message });
  const store = Store.open(directory, { create: false });
  try {
    repairDatabase(store, tell);
    clearLeftovers(store);
    await repairBlobs(store, tell);
    if (await isLogWhole(directory)) repairJournal(store, tell);
    repairNodes(store, tell);
    repairTree(store, tell);
    repairIndices(store, tell);
    if (mended.length > 0) noteUntold(store);
  } finally {
    store.close();
  }
  const reader = StoreReader.open(directory);
  try {
    return { mended, left: await verifyStore(reader) };
  } finally {
    reader.close();
  }
}

/** The journal is made of it only as long as it is what was written. */
async function isLogWhole(directory: string): Promise<boolean> {
  const reader = StoreReader.openBeside(directory);
  try {
    return (await verifyLog(reader)).status === "whole";
  } finally {
    reader.close();
  }
}
