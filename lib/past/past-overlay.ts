/**
 * Owns what a user saw of a book at a position of the log: the versions of the user's own over those of the base, less what
 * the log says that the user had elsewhere or hid. Must never look at the journal, nor at another user's rows (R5).
 */
import type { Database } from "better-sqlite3";
import { BASE, type BookId, type Seq, type UserId } from "../../schema/ids.ts";
import type { BookFile } from "../reader.ts";
import { PastFiles } from "./past-files.ts";
import { type PastView, type PathRange, rangeBelow } from "./past-view.ts";
import { ToldSight } from "./told-sight.ts";

export class PastOverlay implements PastView {
  readonly #own: PastFiles;
  readonly #base: PastFiles;
  readonly #told: ToldSight;
  readonly #key: { readonly bookId: BookId; readonly userId: UserId };

  constructor(database: Database, bookId: BookId, userId: UserId) {
    this.#own = new PastFiles(database, bookId, userId);
    this.#base = new PastFiles(database, bookId, BASE);
    this.#told = new ToldSight(database);
    this.#key = { bookId, userId };
  }

  file(path: string, seq: Seq): BookFile | undefined {
    const own = this.#own.file(path, seq);
    if (own !== undefined) return own;
    const base = this.#base.file(path, seq);
    return base !== undefined && this.#shows(base, seq) && !this.#belowOwnFiles(seq)(path) ? base : undefined;
  }

  *filesIn(range: PathRange, seq: Seq): Generator<BookFile, void> {
    const base = this.#base.filesIn(range, seq);
    const isBelowOwn = this.#belowOwnFiles(seq);
    try {
      let beneath = base.next().value ?? undefined;
      for (const own of this.#own.filesIn(range, seq)) {
        for (
          ;
          beneath !== undefined && isBefore(beneath.path, own.path);
          beneath = base.next().value ?? undefined
        )
          if (this.#shows(beneath, seq) && !isBelowOwn(beneath.path)) yield beneath;
        if (beneath?.path === own.path) beneath = base.next().value ?? undefined;
        yield own;
      }
      for (; beneath !== undefined; beneath = base.next().value ?? undefined)
        if (this.#shows(beneath, seq) && !isBelowOwn(beneath.path)) yield beneath;
    } finally {
      base.return();
    }
  }

  hasDirectory(path: string, seq: Seq): boolean {
    for (const _file of this.filesIn(rangeBelow(path), seq)) return true;
    return false;
  }

  /** Whether the user saw the base's file where the base had it; there is none of the user's at its path, nor above it. */
  #shows({ path, fileId }: BookFile, seq: Seq): boolean {
    // Rows of today say so themselves; older logs have none.
    if (this.#own.hasDirectory(path, seq)) return false;
    return this.#told.isSeen({ ...this.#key, path, fileId }, seq);
  }

  /**
   * Where the user has a file, nothing shows of a directory that the base has there: as above, for older logs. Remembers what it
   * has looked up.
   */
  #belowOwnFiles(seq: Seq): (path: string) => boolean {
    const known = new Map<string, boolean>();
    const isCovered = (directory: string): boolean => {
      if (directory === "") return false;
      const before = known.get(directory);
      if (before !== undefined) return before;
      const covered = this.#own.file(directory, seq) !== undefined || isCovered(directoryOf(directory));
      known.set(directory, covered);
      return covered;
    };
    return (path) => isCovered(directoryOf(path));
  }
}

function directoryOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

/** As SQLite sorts. */
function isBefore(path: string, other: string): boolean {
  return Buffer.compare(Buffer.from(path), Buffer.from(other)) < 0;
}
