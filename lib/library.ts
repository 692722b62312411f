/**
 * Owns an opened store with all that works on it: the books in it and one worktree per book and layer. The way in for daemon
 * and commands. Must never be opened twice in a process.
 */

import { PfsError } from "../schema/errors.ts";
import { BASE, type BlobHash, type BookId, type UserId } from "../schema/ids.ts";
import type { Profile } from "../schema/profiles.ts";
import { Blobs } from "./blobs.ts";
import { type Book, Books, type BookWishes } from "./book.ts";
import type { BookTree } from "./book-tree.ts";
import { type ConflictChoice, findConflictPlace } from "./conflict-table.ts";
import { CurrentManifest } from "./current-manifest.ts";
import { HeadSigner } from "./head-signer.ts";
import { isNewHead, rememberHead } from "./last-head.ts";
import { clearLeftovers } from "./leftovers.ts";
import { Log } from "./log.ts";
import { LogPages } from "./log-pages.ts";
import { refuseMissingTables } from "./migrations.ts";
import type { Actor } from "./node.ts";
import { refuseLosing } from "./only-remote.ts";
import { type PulledHead, type RemoteOfBook, type SharedPair, SharedRows } from "./shared-rows.ts";
import type { StagedBytes } from "./staging.ts";
import { Store, type StoreOptions } from "./store.ts";
import { StrictGate } from "./strict-gate.ts";
import { noConflict, type Resolution } from "./worktree/end-conflict.ts";
import {
  type FollowOutcome,
  type FollowParts,
  followRemote,
  type SharedPage,
} from "./worktree/follow-remote.ts";
import { followSnapshot, type SnapshotCounts, type SnapshotPage } from "./worktree/follow-snapshot.ts";
import { storeBytes } from "./worktree/record-files.ts";
import { tellSight } from "./worktree/tell-sight.ts";
import { Worktree } from "./worktree/worktree.ts";

export class Library {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly log: Log;
  readonly logPages: LogPages;
  readonly books: Books;
  readonly signer: HeadSigner;
  readonly strict: StrictGate;
  readonly #manifests = new Map<BookId, CurrentManifest>();
  readonly #worktrees = new Map<string, Worktree>();
  readonly #shared = new Map<BookId, SharedRows>();

  /** Takes over an open store. */
  constructor(store: Store) {
    this.store = store;
    clearLeftovers(store);
    this.blobs = new Blobs(store);
    this.log = new Log(store);
    tellSight(store, this.log);
    this.strict = new StrictGate(store);
    this.logPages = new LogPages(store);
    this.books = new Books(store);
    this.signer = new HeadSigner(store.directory);
  }

  /** @throws as {@link Store.open} */
  static open(directory: string, options: StoreOptions = {}): Library {
    const store = Store.open(directory, options);
    try {
      refuseMissingTables(store.database);
      return new Library(store);
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /** @throws PfsError EXISTS */
  createBook(bookId: BookId, profile: Profile, wishes: BookWishes = {}): Book {
    return this.books.create(bookId, profile, wishes);
  }

  /** The one worktree of a book's base, or of a user's overlay over it. @throws PfsError NOT_FOUND */
  worktree(bookId: BookId, userId: UserId = BASE): Worktree {
    const key = `${bookId}/${userId}`;
    let worktree = this.#worktrees.get(key);
    if (worktree === undefined) {
      const { store, blobs, log, strict } = this;
      const parts = { store, blobs, log, strict, book: this.books.get(bookId) };
      const base = userId === BASE ? undefined : this.worktree(bookId).tree;
      worktree = new Worktree(base === undefined ? parts : { ...parts, base, userId });
      this.#worktrees.set(key, worktree);
    }
    return worktree;
  }

  /**
   * Nobody uses a tree any more: forgets what is in memory of it, if it is a user's overlay. False when it stays: it is the
   * base, or something in it waits.
   */
  closeOverlay(tree: BookTree): boolean {
    for (const [key, worktree] of this.#worktrees) {
      if (worktree !== tree || !worktree.isOverlay) continue;
      if (!worktree.close()) return false;
      this.#worktrees.delete(key);
      return true;
    }
    return false;
  }

  /** Settles what a killed daemon left undecided in overlays that nobody has opened since. */
  settleLeftOverlays(): void {
    const rows = this.store.database
      .prepare("SELECT DISTINCT book_id AS bookId, user_id AS userId FROM vacancy WHERE user_id <> ?")
      .all(BASE) as { bookId: BookId; userId: UserId }[];
    for (const { bookId, userId } of rows) this.closeOverlay(this.worktree(bookId, userId));
  }

  /** The one manifest of a book's base. */
  manifest(bookId: BookId): CurrentManifest {
    const manifest = this.#manifests.get(bookId) ?? new CurrentManifest(this.store, this.log, bookId);
    this.#manifests.set(bookId, manifest);
    return manifest;
  }

  /** Saves one version of a conflict and ends it. @throws as {@link Worktree.resolveConflict} */
  resolveConflict(id: number, choice: ConflictChoice, actor: Actor): Resolution {
    const place = findConflictPlace(this.store.database, id);
    if (place === undefined) throw noConflict(id);
    return this.worktree(place.bookId, place.userId).resolveConflict(id, choice, actor);
  }

  /**
   * From now on a book is shared on a remote. One that was shared there before goes on where it was.
   * @param isClone what is there is to be brought into a book that has nothing yet
   * @throws PfsError NOT_FOUND; EXISTS: it is shared already; USAGE: a clone of a book that has a log
   */
  shareBook(bookId: BookId, remote: RemoteOfBook, isClone = false): void {
    this.books.get(bookId);
    this.store.transaction(() => {
      const shared = this.#sharedRows(bookId);
      if (shared.position() !== undefined)
        throw new PfsError("EXISTS", `The book ${bookId} is shared already.`);
      if (isClone && this.#hasRows(bookId))
        throw new PfsError("USAGE", `The store has the book ${bookId} already, with a log of its own.`, {
          hint: `If it was shared there before, \`pfs remote add ${bookId} URL…\` goes on; else clone into another store: --store DIR.`,
        });
      shared.connect(remote);
    });
    this.blobs.noteSharing();
  }

  /**
   * From now on a book is shared no more. It stays as it is, with its whole log.
   * @throws PfsError USAGE: it is not shared; NOT_PERMITTED: bytes that something here names are only there
   */
  unshareBook(bookId: BookId): void {
    this.store.transaction(() => {
      const shared = this.#sharedRows(bookId);
      if (shared.position() === undefined) throw new PfsError("USAGE", `The book ${bookId} is not shared.`);
      refuseLosing(this.store.database, bookId);
      shared.disconnect();
    });
  }

  #hasRows(bookId: BookId): boolean {
    return (
      this.store.database.prepare("SELECT 1 FROM audit_log WHERE book_id = ? LIMIT 1").get(bookId) !==
      undefined
    );
  }

  /** Does in a book what others did, who share it. @throws as {@link followRemote} */
  followRemote(bookId: BookId, page: SharedPage): FollowOutcome {
    return this.#following(bookId, (parts) => followRemote(parts, page));
  }

  /** Begins a book that has just been made and shared with what is shared of it. @throws as {@link followSnapshot} */
  followSnapshot(bookId: BookId, page: SnapshotPage): SnapshotCounts {
    return this.#following(bookId, (parts) => followSnapshot(parts, page));
  }

  /** Overlays that nobody uses are open only as long as it takes. */
  #following<Outcome>(bookId: BookId, follow: (parts: FollowParts) => Outcome): Outcome {
    const wereOpen = new Set(this.#worktrees.values());
    const base = this.worktree(bookId).tree;
    const shared = this.#sharedRows(bookId);
    const overlay = (userId: UserId) => this.worktree(bookId, userId).tree;
    try {
      return follow({ base, shared, overlay, storeId: this.signer.storeId });
    } finally {
      for (const each of this.openWorktrees()) if (!wereOpen.has(each)) this.closeOverlay(each);
    }
  }

  /** Rows of a book's log are in the shared log, and these bytes on the remote; up to `until` there is nothing to be pulled. */
  noteShared(
    bookId: BookId,
    pairs: readonly SharedPair[],
    blobs: readonly BlobHash[],
    until: PulledHead,
  ): void {
    this.store.transaction(() => this.#sharedRows(bookId).notePushed(pairs, blobs, until));
  }

  /** A sync of a book has gone well. @param timeMs milliseconds since 1970 */
  noteSynced(bookId: BookId, timeMs: number): void {
    this.store.transaction(() => this.#sharedRows(bookId).noteSynced(timeMs));
  }

  /** Makes bytes that were fetched blobs. Takes what was staged over, or away. @throws PfsError CORRUPT, FULL */
  storeBlobs(blobs: readonly StagedBytes[]): void {
    this.store.checkSpace(blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0));
    this.store.transaction(() => {
      for (const blob of blobs) storeBytes(this.blobs, { ...blob, path: blob.hash });
    });
  }

  #sharedRows(bookId: BookId): SharedRows {
    const shared = this.#shared.get(bookId) ?? new SharedRows(this.store.database, bookId);
    this.#shared.set(bookId, shared);
    return shared;
  }

  /** The worktrees that are in use. */
  openWorktrees(): Worktree[] {
    return [...this.#worktrees.values()];
  }

  /** Settles what waits and closes the store. */
  close(): void {
    for (const worktree of this.#worktrees.values()) {
      worktree.settle(0);
      worktree.settleRefusals(0);
    }
    while (this.blobs.uses.save() > 0);
    const head = { seq: this.log.seq, entryHash: this.log.head };
    const { database, directory } = this.store;
    const isNew = isNewHead(database, directory, head);
    // Somebody who reads may keep the rows in the write-ahead log.
    if (isNew) this.store.sync();
    this.store.close(() => {
      if (isNew) rememberHead(directory, head, this.signer);
    });
  }
}
