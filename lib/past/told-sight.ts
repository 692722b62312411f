/**
 * Owns what the log says of a file of the base and a user: whether the user saw it where the base had it. That is what the
 * user's last row of that file says, wherever it was. Must never look at the journal, nor at another user's rows (R5).
 */
import type { Database, Statement } from "better-sqlite3";
import { BASE, type BookId, type FileId, type Seq, type UserId } from "../../schema/ids.ts";
import type { LogOperation } from "../../schema/log-row.ts";

/** A file of the base, and who looks. */
export interface Sighting {
  readonly bookId: BookId;
  readonly userId: UserId;
  /** Where the base has it. */
  readonly path: string;
  readonly fileId: FileId;
}

interface LastRow {
  readonly seq: Seq;
  readonly path: string;
  readonly operation: LogOperation;
}

const SHOWS: ReadonlySet<LogOperation> = new Set(["delete", "revert", "uncover"]);

// The condition on user_id is the index's own. File ids are of one book.
const OF_FILE = `FROM audit_log INDEXED BY audit_log_overlay_file
  WHERE file_id = +:fileId AND user_id = +:userId AND user_id <> '${BASE}' AND seq <= +:seq AND +status = 'ok'`;

export class ToldSight {
  readonly #last: Statement<unknown[], LastRow>;
  readonly #made: Statement<unknown[], 1>;
  readonly #lastOwnPath: Statement<unknown[], string>;
  readonly #fileAt: Statement<unknown[], FileId | null>;

  constructor(database: Database) {
    this.#last = database.prepare(`SELECT seq, path, operation ${OF_FILE} ORDER BY seq DESC LIMIT 1`);
    this.#made = database
      .prepare<unknown[], 1>(
        `SELECT 1 FROM audit_log INDEXED BY audit_log_path WHERE book_id = +:bookId AND path = +:path AND user_id = '${BASE}'
         AND seq > +:after AND seq <= +:seq AND status = 'ok' AND +file_id = +:fileId AND +operation = 'create' LIMIT 1`,
      )
      .pluck();
    this.#lastOwnPath = database
      .prepare<unknown[], string>(
        `SELECT path ${OF_FILE} AND +new_hash IS NOT NULL ORDER BY seq DESC LIMIT 1`,
      )
      .pluck();
    this.#fileAt = database
      .prepare<unknown[], FileId | null>(
        `SELECT iif(new_hash IS NULL, NULL, file_id) FROM audit_log INDEXED BY audit_log_path
         WHERE book_id = +:bookId AND path = +:path AND user_id = +:userId AND seq <= +:seq AND status = 'ok'
         ORDER BY seq DESC LIMIT 1`,
      )
      .pluck();
  }

  /** At a position, and if there was nothing of the user's own at its path. */
  isSeen(sighting: Sighting, seq: Seq): boolean {
    const { bookId, path, fileId, userId } = sighting;
    const last = this.#last.get({ userId, fileId, seq });
    if (last === undefined || SHOWS.has(last.operation)) return true;
    if (last.operation !== "hide") return false;
    // Hidden was the file that there was: the base has made it anew since. It shows unless it was hidden by being moved.
    const isMadeAnew = this.#made.get({ bookId, path, fileId, after: last.seq, seq }) !== undefined;
    return isMadeAnew && !this.#isElsewhere(sighting, seq);
  }

  /** Where the user's last row of the file was; undefined if there is none. */
  lastPath({ userId, fileId }: Sighting, seq: Seq): string | undefined {
    return this.#last.get({ userId, fileId, seq })?.path;
  }

  #isElsewhere({ bookId, userId, fileId }: Sighting, seq: Seq): boolean {
    const path = this.#lastOwnPath.get({ userId, fileId, seq });
    return path !== undefined && this.#fileAt.get({ bookId, path, userId, seq }) === fileId;
  }
}
