/**
 * Owns the store in this process for the time of one command, while no daemon runs. Must never be used beside a mount
 * thread.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { collectGarbage } from "../lib/collect-garbage.ts";
import { importBatch } from "../lib/import.ts";
import { Library } from "../lib/library.ts";
import { rememberManifest } from "../lib/manifest.ts";
import { retain } from "../lib/retention/move-rows.ts";
import type { StoreOptions } from "../lib/store.ts";
import { PfsError } from "../schema/errors.ts";
import { parseProfile } from "../schema/profiles.ts";
import { summaryOf } from "./book-summary.ts";
import { answersAt } from "./daemon-client.ts";
import { actorFrom } from "./plain-actor.ts";
import { restore } from "./restore.ts";
import { SETTLE_AGE_MS } from "./settle-age.ts";
import type { StoreOwner } from "./store-owner.ts";

/** How long another command may hold the store. */
const PATIENCE_MS = 10_000;
const RETRY_MS = 25;

/**
 * Opens the store, makes it if need be, calls `use` and closes it. Waits for other commands that hold it for a moment,
 * not for a daemon.
 * @throws as Store.open, and what `use` throws
 */
export async function withLocalOwner<Result>(
  storeDirectory: string,
  use: (owner: StoreOwner) => Promise<Result>,
  options: StoreOptions = {},
): Promise<Result> {
  const library = await openPatiently(storeDirectory, options);
  try {
    return await use(ownerOf(library));
  } finally {
    library.close();
  }
}

/** Turns what a killed daemon left undecided into rows of the log, if nobody else has the store. */
export function settleStore(storeDirectory: string): void {
  let library: Library;
  try {
    library = Library.open(storeDirectory, { create: false });
  } catch (error) {
    if (error instanceof PfsError && error.code === "STORE_BUSY") return;
    throw error;
  }
  try {
    for (const { bookId } of library.books.list()) library.worktree(bookId);
    library.settleLeftOverlays();
  } finally {
    library.close();
  }
}

async function openPatiently(storeDirectory: string, options: StoreOptions): Promise<Library> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return Library.open(storeDirectory, options);
    } catch (error) {
      const isBusy = error instanceof PfsError && error.code === "STORE_BUSY";
      if (!isBusy || performance.now() > deadlineMs || (await answersAt(storeDirectory))) throw error;
      await sleep(RETRY_MS);
    }
  }
}

function ownerOf(library: Library): StoreOwner {
  /** No thread does it here. */
  const afterwards = <Outcome>(outcome: Outcome): Outcome => {
    if (library.store.isLogLarge) library.store.checkpoint();
    return outcome;
  };
  return {
    storeDirectory: library.store.directory,
    async findBook(bookId) {
      return summaryOf(library.books.get(bookId));
    },
    async createBook({ bookId, profileJson, ...wishes }) {
      return summaryOf(library.createBook(bookId, parseProfile(profileJson), wishes));
    },
    async importBatch({ bookId, files, directories, actor }) {
      return afterwards(importBatch(library.worktree(bookId), files, directories, actorFrom(actor)));
    },
    async renamePaths({ bookId, renames, actor }) {
      return library.worktree(bookId).renamePaths(renames, actorFrom(actor));
    },
    async resolveConflict({ id, choice, actor }) {
      return library.resolveConflict(id, choice, actorFrom(actor));
    },
    async revert({ bookId, userId, paths, actor }) {
      return library.worktree(bookId, userId).revert(paths, actorFrom(actor));
    },
    async publishOverlay({ bookId, userId, paths, actor }) {
      return library.worktree(bookId, userId).publish(paths, actorFrom(actor));
    },
    async writeFile({ bookId, userId, file, actor, ...wishes }) {
      return library.worktree(bookId, userId).write(file, wishes, actorFrom(actor));
    },
    async restore(input) {
      return restore(library, input);
    },
    async tellManifest(bookId) {
      library.worktree(bookId).settle(SETTLE_AGE_MS);
      const { hash: manifestHash, seq } = library.manifest(bookId).tell();
      return { manifestHash, seq };
    },
    async collectGarbage(garbage) {
      return collectGarbage(library, garbage);
    },
    async retain(step) {
      return afterwards(retain(library.store, step));
    },
    async rememberManifest(bookId, manifest) {
      rememberManifest(library.store, bookId, manifest);
    },
    async settle(bookId) {
      library.worktree(bookId).settle(SETTLE_AGE_MS);
    },
    async shareBook(bookId, remote, isClone) {
      library.shareBook(bookId, remote, isClone);
    },
    async unshareBook(bookId) {
      library.unshareBook(bookId);
    },
    async followRemote(bookId, page) {
      return afterwards(library.followRemote(bookId, page));
    },
    async followSnapshot(bookId, page) {
      return afterwards(library.followSnapshot(bookId, page));
    },
    async noteShared(bookId, pairs, blobs, until) {
      library.noteShared(bookId, pairs, blobs, until);
    },
    async noteSynced(bookId, timeMs) {
      library.noteSynced(bookId, timeMs);
    },
    async storeBlobs(blobs) {
      library.storeBlobs(blobs);
    },
  };
}
