/**
 * Owns what the log says of who hides a file of the base, and of what that is worth where the base makes the file anew, in the
 * order of the shared log: what is not there yet comes last. Must never decide what is done about it.
 */
import type { Database, Statement } from "better-sqlite3";
import { BASE, type BookId, type FileId, type UserId } from "../schema/ids.ts";
import type { LogRow } from "../schema/log-row.ts";

/** A user whose last word about a file of the base was to hide it; who did so, and what was hidden. */
export interface Hider extends Pick<LogRow, "agent_id" | "uid" | "pid" | "command" | "base_hash"> {
  readonly userId: UserId;
  /** Position of that row in the shared log; null: it is not there yet. */
  readonly sharedSeq: number | null;
  /** 1: the base has not made the file anew since, as far as the log says. */
  readonly isLast: number;
}

/**
 * A row `l` with which a pull takes back what was done here: it has the position of the shared row that it makes way for, which
 * comes after it.
 */
const IS_TAKEN_BACK = `EXISTS (SELECT 1 FROM shared_row s JOIN shared_row t ON t.book_id = s.book_id AND t.shared_seq = s.shared_seq
  AND t.seq > s.seq JOIN audit_log r ON r.seq = t.seq WHERE s.seq = l.seq AND r.status = 'ok')`;

const sharedSeqOf = (row: string): string => `(SELECT shared_seq FROM shared_row WHERE seq = ${row}.seq)`;
/** More than there will ever be rows. */
const NOT_SHARED = 1e15;
const positionOf = (row: string): string => `coalesce(${sharedSeqOf(row)}, ${NOT_SHARED})`;

/** Rows `l` with which the base has made a file at a path. */
const MADE = `audit_log l INDEXED BY audit_log_path WHERE l.book_id = :bookId AND l.path = :path AND l.user_id = '${BASE}'
  AND l.status = 'ok' AND +l.file_id = :fileId AND +l.operation = 'create' AND NOT ${IS_TAKEN_BACK}`;

export class Hiders {
  readonly #bookId: BookId;
  readonly #hiders: Statement<unknown[], Hider>;
  readonly #isMadeAfter: Statement<unknown[], 1>;

  constructor(database: Database, bookId: BookId) {
    this.#bookId = bookId;
    this.#hiders = database.prepare<unknown[], Hider>(
      `WITH view AS (SELECT user_id, operation, path, max(seq) AS seq FROM audit_log INDEXED BY audit_log_overlay_file
         WHERE file_id = +:fileId AND user_id <> '${BASE}' AND +status = 'ok' AND +operation IN ('hide', 'revert')
         GROUP BY user_id)
       SELECT view.user_id AS userId, h.agent_id, h.uid, h.pid, h.command, h.base_hash,
         ${sharedSeqOf("view")} AS sharedSeq, NOT EXISTS
         (SELECT 1 FROM ${MADE} AND (${positionOf("l")}, l.seq) > (${positionOf("view")}, view.seq)) AS isLast
       FROM view JOIN audit_log h ON h.seq = view.seq WHERE view.operation = 'hide' AND (${sharedSeqOf("view")} IS NOT NULL OR NOT EXISTS
         (SELECT 1 FROM audit_log l INDEXED BY audit_log_path JOIN shared_row t ON t.seq = l.seq
          WHERE l.book_id = :bookId AND l.path = view.path AND l.user_id = view.user_id AND l.seq > view.seq))`,
    );
    this.#isMadeAfter = database
      .prepare<unknown[], 1>(`SELECT 1 FROM ${MADE} AND ${positionOf("l")} > :sharedSeq LIMIT 1`)
      .pluck();
  }

  /** Those of a file, but for words that were taken back. `path`: where the base makes it, or has it. */
  of(fileId: FileId, path: string): Hider[] {
    return this.#hiders.all({ bookId: this.#bookId, fileId, path });
  }

  /** Whether the base has made a file after a position of the shared log, be it only here. */
  isMadeAfter(fileId: FileId, path: string, sharedSeq: number): boolean {
    return this.#isMadeAfter.get({ bookId: this.#bookId, fileId, path, sharedSeq }) !== undefined;
  }
}
