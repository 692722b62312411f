/**
 * Owns what a user saw of a book at a position of the log: the versions of the user's own over those of the base, less what
 * the log says that the user had elsewhere or hid. Must never look at the journal, nor at another user's rows (R5).
 */
import type { Database, Statement } from "better-sqlite3";
import { BASE, type BookId, type FileId, type Seq, type UserId } from "../../schema/ids.ts";
import type { LogOperation } from "../../schema/log-row.ts";
import type { BookFile } from "../reader.ts";
import { PastFiles } from "./past-files.ts";
import { type PastView, type PathRange, rangeBelow } from "./past-view.ts";

/** The last that the log says of a file in the overlay. */
interface LastRow {
  readonly seq: Seq;
  readonly operation: LogOperation;
}

export class PastOverlay implements PastView {
  readonly #own: PastFiles;
  readonly #base: PastFiles;
  readonly #key: { readonly book: BookId; readonly user: UserId };
  readonly #last: Statement<unknown[], LastRow>;
  readonly #made: Statement<unknown[], 1>;
  readonly #lastPath: Statement<unknown[], string>;

  constructor(database: Database, bookId: BookId, userId: UserId) {
    this.#own = new PastFiles(database, bookId, userId);
    this.#base = new PastFiles(database, bookId, BASE);
    this.#key = { book: bookId, user: userId };
    // The condition on user_id is the index's own. File ids are of one book.
    this.#last = database.prepare(
      `SELECT seq, operation FROM audit_log INDEXED BY audit_log_overlay_file
       WHERE file_id = +:fileId AND user_id = +:user AND user_id <> '${BASE}' AND seq <= +:seq AND +status = 'ok'
       ORDER BY seq DESC LIMIT 1`,
    );
    this.#made = database
      .prepare<unknown[], 1>(
        `SELECT 1 FROM audit_log INDEXED BY audit_log_path WHERE book_id = +:book AND path = +:path AND user_id = '${BASE}'
         AND seq > +:after AND seq <= +:seq AND status = 'ok' AND +file_id = +:fileId AND +operation = 'create' LIMIT 1`,
      )
      .pluck();
    this.#lastPath = database
      .prepare<unknown[], string>(
        `SELECT path FROM audit_log INDEXED BY audit_log_overlay_file
         WHERE file_id = +:fileId AND user_id = +:user AND user_id <> '${BASE}' AND seq <= +:seq AND +status = 'ok'
         AND +new_hash IS NOT NULL ORDER BY seq DESC LIMIT 1`,
      )
      .pluck();
  }

  file(path: string, seq: Seq): BookFile | undefined {
    const own = this.#own.file(path, seq);
    if (own !== undefined) return own;
    const base = this.#base.file(path, seq);
    return base !== undefined && this.#shows(base, seq) ? base : undefined;
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

  /** Whether the user saw the base's file where the base had it; there is none of the user's at its path. */
  #shows({ path, fileId }: BookFile, seq: Seq): boolean {
    if (this.#own.hasDirectory(path, seq)) return false;
    const last = this.#last.get({ user: this.#key.user, fileId, seq });
    if (last === undefined || last.operation === "delete" || last.operation === "revert") return true;
    if (last.operation !== "hide") return false;
    // Hidden was the file that there was: the base has made it anew since. It shows unless it was hidden by being moved.
    const { book } = this.#key;
    const isMadeAnew = this.#made.get({ book, path, fileId, after: last.seq, seq }) !== undefined;
    return isMadeAnew && !this.#isElsewhere(fileId, seq);
  }

  #isElsewhere(fileId: FileId, seq: Seq): boolean {
    const path = this.#lastPath.get({ user: this.#key.user, fileId, seq });
    return path !== undefined && this.#own.file(path, seq)?.fileId === fileId;
  }

  /** Where the user has a file, nothing shows of a directory that the base has there. Remembers what it has looked up. */
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
