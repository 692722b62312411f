/**
 * Owns an opened store with all that works on it: the books in it and one worktree per book. The way in for daemon and
 * commands. Must never be opened twice in a process.
 */
import type { BookId } from "../schema/ids.ts";
import type { Profile } from "../schema/profiles.ts";
import { Blobs } from "./blobs.ts";
import { type Book, Books } from "./book.ts";
import { clearLeftovers } from "./leftovers.ts";
import { Log } from "./log.ts";
import { Store, type StoreOptions } from "./store.ts";
import { Worktree } from "./worktree/worktree.ts";

export class Library {
  readonly store: Store;
  readonly blobs: Blobs;
  readonly log: Log;
  readonly books: Books;
  readonly #worktrees = new Map<BookId, Worktree>();

  /** Takes over an open store. */
  constructor(store: Store) {
    this.store = store;
    clearLeftovers(store);
    this.blobs = new Blobs(store);
    this.log = new Log(store);
    this.books = new Books(store);
  }

  /** @throws as {@link Store.open} */
  static open(directory: string, options: StoreOptions = {}): Library {
    const store = Store.open(directory, options);
    try {
      return new Library(store);
    } catch (error) {
      store.close();
      throw error;
    }
  }

  /** @throws PfsError EXISTS */
  createBook(bookId: BookId, profile: Profile, fileSizeLimitBytes?: number): Book {
    return this.books.create(bookId, profile, fileSizeLimitBytes);
  }

  /** The one worktree of a book. @throws PfsError NOT_FOUND */
  worktree(bookId: BookId): Worktree {
    let worktree = this.#worktrees.get(bookId);
    if (worktree === undefined) {
      const { store, blobs, log } = this;
      worktree = new Worktree({ store, blobs, log, book: this.books.get(bookId) });
      this.#worktrees.set(bookId, worktree);
    }
    return worktree;
  }

  /** The worktrees that are in use. */
  openWorktrees(): Worktree[] {
    return [...this.#worktrees.values()];
  }

  /** Settles what waits and closes the store. */
  close(): void {
    for (const worktree of this.#worktrees.values()) worktree.settle(0);
    this.store.close();
  }
}
