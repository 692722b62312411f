/**
 * Owns the store in this process for the time of one command, while no daemon runs. Must never be used beside a mount
 * thread.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { importBatch } from "../lib/import.ts";
import { Library } from "../lib/library.ts";
import { PfsError } from "../schema/errors.ts";
import { parseProfile, profileToJson } from "../schema/profiles.ts";
import { answersAt } from "./daemon-client.ts";
import { actorFrom } from "./plain-actor.ts";
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
): Promise<Result> {
  const library = await openPatiently(storeDirectory);
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
  } finally {
    library.close();
  }
}

async function openPatiently(storeDirectory: string): Promise<Library> {
  const deadlineMs = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return Library.open(storeDirectory);
    } catch (error) {
      const isBusy = error instanceof PfsError && error.code === "STORE_BUSY";
      if (!isBusy || performance.now() > deadlineMs || (await answersAt(storeDirectory))) throw error;
      await sleep(RETRY_MS);
    }
  }
}

function ownerOf(library: Library): StoreOwner {
  return {
    storeDirectory: library.store.directory,
    async findBook(bookId) {
      const { profile } = library.books.get(bookId);
      return { book: bookId, profile: profile.name, profileJson: profileToJson(profile) };
    },
    async createBook(bookId, profileJson) {
      const { profile } = library.createBook(bookId, parseProfile(profileJson));
      return { book: bookId, profile: profile.name, profileJson: profileToJson(profile) };
    },
    async importBatch({ bookId, files, directories, actor }) {
      return importBatch(library.worktree(bookId), files, directories, actorFrom(actor));
    },
  };
}
