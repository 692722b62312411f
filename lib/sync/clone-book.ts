/**
 * Owns bringing a shared book into a store: what it is and which files it has, not their bytes. Must never touch a book of that
 * name that is another one.
 */
import { setImmediate } from "node:timers/promises";
import { PfsError } from "../../schema/errors.ts";
import { BASE, type BookId } from "../../schema/ids.ts";
import type { SharedFile } from "../../schema/shared-file.ts";
import type { RemoteLog, SharedBook } from "../remote/remote-log.ts";
import type { RemoteOfBook } from "../shared-rows.ts";
import type { SnapshotCounts, SnapshotPage } from "../worktree/follow-snapshot.ts";

interface CloneParts {
  readonly bookId: BookId;
  readonly log: Pick<RemoteLog, "identity" | "findBook" | "listBooks" | "snapshot">;
  readonly urls: Omit<RemoteOfBook, "remoteId">;
  /** Makes the book in the store and remembers where it is shared; does nothing where that was done and nothing came of it. */
  begin(book: SharedBook, remote: RemoteOfBook): Promise<void>;
  follow(page: SnapshotPage): Promise<SnapshotCounts>;
  /** Told how many files there are so far. */
  onFiles?(files: number): void;
}

/** A page is one transaction of the store, during which mounts wait. */
const PAGE_FILES = 500;

/** @throws PfsError NOT_FOUND: the remote has no such book; EXISTS; UNAVAILABLE and others of the remote; FULL */
export async function cloneBook(parts: CloneParts): Promise<SnapshotCounts> {
  const { bookId, log, urls, begin, follow } = parts;
  const remoteId = await log.identity();
  const found = await log.findBook(bookId);
  if (found === undefined) {
    const known = await log.listBooks();
    throw new PfsError("NOT_FOUND", `The remote has no book ${bookId}.`, {
      hint: known.length === 0 ? "It has none at all." : `It has: ${known.join(", ")}.`,
    });
  }
  await begin(found.book, { ...urls, remoteId });
  const { head, hidden, pages } = await log.snapshot(bookId);
  const total = { files: 0, refused: 0 };
  const take = async (files: readonly SharedFile[], last: Partial<SnapshotPage> = {}): Promise<void> => {
    const counts = await follow({ files, ...last });
    total.files += counts.files;
    total.refused += counts.refused;
    parts.onFiles?.(total.files);
    // A remote and an owner in this process wait for nothing: others have their turn here.
    await setImmediate();
  };
  // Overlays lie over a base that is there; some users' names sort before its own.
  const overlays: SharedFile[] = [];
  for await (const page of pages) {
    const base: SharedFile[] = [];
    for (const file of page) (file.userId === BASE ? base : overlays).push(file);
    for (let at = 0; at < base.length; at += PAGE_FILES) await take(base.slice(at, at + PAGE_FILES));
  }
  for (let at = 0; at < overlays.length; at += PAGE_FILES) await take(overlays.slice(at, at + PAGE_FILES));
  await take([], { hidden, until: head });
  return total;
}
