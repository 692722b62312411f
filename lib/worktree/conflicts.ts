/**
 * Owns the conflicts of one book's layer as folders (W2): which names each has, what has been taken from view, when
 * anything of it last changed. Must never decide a conflict.
 */
import type { BookId, UserId } from "../../schema/ids.ts";
import { type Conflict, ConflictTable } from "../conflict-table.ts";
import type { Store } from "../store.ts";
import { now, type Time } from "../time.ts";

/** The files of a conflict's folder, in the order of a listing. */
export const conflictFiles = ["base", "mine", "theirs", "merged", "info.json"] as const;
export type ConflictFile = (typeof conflictFiles)[number];

/** How many a layer may have open; what they carried stays until somebody decides. */
export const MAX_OPEN_CONFLICTS = 10_000;

export class Conflicts {
  readonly #store: Store;
  readonly #table: ConflictTable;
  /** `rm -r` removes files one by one: they go from view, and with the folder the conflict ends. */
  readonly #hidden = new Map<number, Set<ConflictFile>>();
  #changedAt = now();
  /** undefined: to be counted. */
  #full: boolean | undefined;

  constructor(store: Store, bookId: BookId, userId: UserId) {
    this.#store = store;
    this.#table = new ConflictTable(store.database, bookId, userId);
  }

  /** How many are open. */
  get count(): number {
    this.#store.read();
    return this.#table.count;
  }

  /** Whether there are so many that no change should begin that might end as one more. */
  get isFull(): boolean {
    this.#full ??= this.count >= MAX_OPEN_CONFLICTS;
    return this.#full;
  }

  /** When a name came or went, in any of the folders. */
  get changedAt(): Time {
    return this.#changedAt;
  }

  get(id: number): Conflict | undefined {
    this.#store.read();
    return this.#table.get(id);
  }

  /** An open conflict of the same bytes with the same version of a path. */
  like(sides: Pick<Conflict, "path" | "mine" | "theirs">): Conflict | undefined {
    this.#store.read();
    return this.#table.like(sides);
  }

  /** The open conflicts of one save. */
  carriedBy(save: Pick<Conflict, "path" | "mine" | "base" | "mtime">): Conflict[] {
    this.#store.read();
    return this.#table.carriedBy(save);
  }

  /** The merged bytes of a conflict that merges by itself. */
  mergedOf(id: number): Buffer | undefined {
    this.#store.read();
    return this.#table.mergedOf(id);
  }

  /** Ids greater than `after`, ascending. */
  ids(after: number): Iterable<number> {
    this.#store.read();
    return this.#table.ids(after);
  }

  /** The files that a conflict's folder has. */
  filesOf(conflict: Conflict): ConflictFile[] {
    const hidden = this.#hidden.get(conflict.id);
    return conflictFiles.filter(
      (name) => (name === "info.json" || conflict[name] !== null) && hidden?.has(name) !== true,
    );
  }

  /** Takes a file from view until the daemon starts anew; the bytes stay. */
  hide({ id }: Conflict, name: ConflictFile): void {
    const hidden = this.#hidden.get(id) ?? new Set();
    this.#hidden.set(id, hidden.add(name));
    this.#changedAt = now();
  }

  /** Changes the table; only within a transaction. */
  change<Result>(write: (table: ConflictTable) => Result): Result {
    this.#full = undefined;
    this.#store.afterCommit(() => {
      this.#full = undefined;
      this.#changedAt = now();
    });
    return write(this.#table);
  }

  /** Puts everything of a conflict's folder in view again. */
  show({ id }: Conflict): void {
    this.#hidden.delete(id);
  }
}
