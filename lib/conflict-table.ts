/**
 * Owns the table of conflicts: what a refused save carried, as hashes, and who carried it. Must never decide one.
 */
import type { Database, Statement } from "better-sqlite3";
import type { BlobHash, BookId, FileId, UserId } from "../schema/ids.ts";
import type { LogOperation } from "../schema/log-row.ts";
import type { TreePath } from "../schema/paths.ts";

/** How a conflict ended: with one of its versions, or by removing its folder. */
export type ConflictOutcome = "mine" | "theirs" | "merged" | "removed";

/** What can be chosen of a conflict. */
export const conflictChoices = ["mine", "theirs", "merged"] as const;
export type ConflictChoice = (typeof conflictChoices)[number];

/** A conflict that nobody has decided yet. */
export interface Conflict {
  readonly id: number;
  /** ISO 8601. */
  readonly since: string;
  readonly bookId: BookId;
  readonly path: TreePath;
  readonly userId: UserId;
  readonly fileId: FileId;
  /** What was refused. */
  readonly operation: LogOperation;
  /** What the refused save began with; null: there was no file. */
  readonly base: BlobHash | null;
  /** What was refused. */
  readonly mine: BlobHash;
  /** What the path had when it was last compared; null: no file. */
  readonly theirs: BlobHash | null;
  /** Null: it does not merge by itself. */
  readonly merged: BlobHash | null;
  /** Bytes. */
  readonly mergedSize: number | null;
  /** ISO 8601: when `theirs` and `merged` became what they are. */
  readonly comparedAt: string;
  /** Bytes, of mine. */
  readonly size: number;
  /** st_mode, of mine. */
  readonly mode: number;
  /** Decimal nanoseconds since 1970, of mine. */
  readonly mtime: string;
  readonly agent: string;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly command: string;
}

/** A version that was made by merging. */
export interface Merged {
  readonly hash: BlobHash;
  readonly bytes: Buffer;
}

export type NewConflict = Omit<Conflict, "id" | "bookId" | "userId" | "merged" | "mergedSize">;

const SELECT = `SELECT conflict_id AS id, since, book_id AS bookId, path, user_id AS userId, file_id AS fileId, operation,
  base, mine, theirs, merged, length(merged_data) AS mergedSize, compared_at AS comparedAt, size, mode, CAST(mtime AS TEXT) AS mtime, agent_id AS agent,
  uid, gid, pid, command FROM conflict WHERE ended IS NULL`;
const NAMES_PAGE = 256;

/** A conflict as info.json and `pfs conflicts --json` show it. */
export function conflictJson(conflict: Conflict): object {
  const { id, since, bookId, path, fileId, userId, operation, base, mine, theirs, merged } = conflict;
  const { agent, uid, pid, command } = conflict;
  const what = { id, time: since, book: bookId, path, file_id: fileId, user: userId, operation };
  return { ...what, agent, uid, pid, command, base, mine, theirs, merged };
}

/** The open conflicts of a store, or of a book's layers, oldest first. */
export function listConflicts(database: Database, bookId?: BookId): Conflict[] {
  const rows =
    bookId === undefined
      ? database.prepare(`${SELECT} ORDER BY conflict_id`).all()
      : database.prepare(`${SELECT} AND book_id = ? ORDER BY conflict_id`).all(bookId);
  return rows as Conflict[];
}

/** The book and layer of an open conflict. */
export function findConflictPlace(
  database: Database,
  id: number,
): Pick<Conflict, "bookId" | "userId"> | undefined {
  const sql =
    "SELECT book_id AS bookId, user_id AS userId FROM conflict WHERE ended IS NULL AND conflict_id = ?";
  return database.prepare<[number], Pick<Conflict, "bookId" | "userId">>(sql).get(id);
}

/** How many conflicts of a store are open. */
export function countConflicts(database: Database): number {
  return database.prepare("SELECT count(*) FROM conflict WHERE ended IS NULL").pluck().get() as number;
}

/** The conflicts of one book's layer. */
export class ConflictTable {
  readonly #bookId: BookId;
  readonly #userId: UserId;
  readonly #get: Statement<unknown[], Conflict>;
  readonly #like: Statement<unknown[], Conflict>;
  readonly #carriedBy: Statement<unknown[], Conflict>;
  readonly #after: Statement<unknown[], Pick<Conflict, "id">>;
  readonly #count: Statement<unknown[], number>;
  readonly #merged: Statement<unknown[], Buffer>;
  readonly #insert: Statement<unknown[]>;
  readonly #compare: Statement<unknown[]>;
  readonly #end: Statement<unknown[]>;

  constructor(database: Database, bookId: BookId, userId: UserId) {
    this.#bookId = bookId;
    this.#userId = userId;
    const mine = "book_id = ? AND user_id = ?";
    this.#get = database.prepare(`${SELECT} AND ${mine} AND conflict_id = ?`);
    this.#like = database.prepare(`${SELECT} AND ${mine} AND path = ? AND mine = ? AND theirs IS ?`);
    this.#carriedBy = database.prepare(
      `${SELECT} AND ${mine} AND path = ? AND mine = ? AND base IS ? AND mtime = ?`,
    );
    this.#after = database.prepare(
      `SELECT conflict_id AS id FROM conflict WHERE ended IS NULL AND ${mine} AND conflict_id > ?
       ORDER BY conflict_id LIMIT ${NAMES_PAGE}`,
    );
    this.#count = database
      .prepare<unknown[], number>(`SELECT count(*) FROM conflict WHERE ended IS NULL AND ${mine}`)
      .pluck();
    this.#merged = database
      .prepare<unknown[], Buffer>("SELECT merged_data FROM conflict WHERE conflict_id = ?")
      .pluck();
    this.#insert = database.prepare(
      `INSERT INTO conflict (since, book_id, path, user_id, file_id, operation, base, mine, theirs, merged, merged_data,
       compared_at, size, mode, mtime, agent_id, uid, gid, pid, command) VALUES (${Array(20).fill("?").join(", ")})`,
    );
    this.#compare = database.prepare(
      "UPDATE conflict SET theirs = ?, merged = ?, merged_data = ?, compared_at = ? WHERE conflict_id = ?",
    );
    this.#end = database.prepare(
      "UPDATE conflict SET ended = ?, outcome = ?, merged_data = NULL WHERE conflict_id = ?",
    );
  }

  get count(): number {
    return this.#count.get(this.#bookId, this.#userId) as number;
  }

  get(id: number): Conflict | undefined {
    return this.#get.get(this.#bookId, this.#userId, id);
  }

  /** An open conflict of the same bytes with the same version of a path. */
  like({ path, mine, theirs }: Pick<Conflict, "path" | "mine" | "theirs">): Conflict | undefined {
    return this.#like.get(this.#bookId, this.#userId, path, mine, theirs);
  }

  /** The open conflicts of one save, as a row of a log tells of it. */
  carriedBy({ path, mine, base, mtime }: Pick<Conflict, "path" | "mine" | "base" | "mtime">): Conflict[] {
    return this.#carriedBy.all(this.#bookId, this.#userId, path, mine, base, BigInt(mtime));
  }

  /** The merged bytes of a conflict that has any. */
  mergedOf(id: number): Buffer | undefined {
    return this.#merged.get(id) ?? undefined;
  }

  /** Ids greater than `after`, ascending. */
  *ids(after: number): Generator<number, void> {
    for (let last = after; ; ) {
      const rows = this.#after.all(this.#bookId, this.#userId, last);
      for (const { id } of rows) yield id;
      if (rows.length < NAMES_PAGE) return;
      last = (rows.at(-1) as { id: number }).id;
    }
  }

  /** Answers its id. Only within a transaction. */
  insert(conflict: NewConflict, merged: Merged | undefined): number {
    const { since, path, fileId, operation, base, mine, theirs, comparedAt } = conflict;
    const { size, mode, mtime, agent, uid, gid, pid, command } = conflict;
    const { lastInsertRowid } = this.#insert.run(
      ...[since, this.#bookId, path, this.#userId, fileId, operation, base, mine, theirs],
      ...[merged?.hash, merged?.bytes, comparedAt, size, mode, BigInt(mtime), agent, uid, gid, pid, command],
    );
    return Number(lastInsertRowid);
  }

  /** The path has another version than it was compared with. Only within a transaction. */
  compare(id: number, theirs: BlobHash | null, merged: Merged | undefined): void {
    this.#compare.run(theirs, merged?.hash, merged?.bytes, new Date().toISOString(), id);
  }

  /** Only within a transaction. */
  end(id: number, outcome: ConflictOutcome): void {
    this.#end.run(new Date().toISOString(), outcome, id);
  }
}
