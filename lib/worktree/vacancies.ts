/**
 * Owns the paths whose file was removed or moved to a scratch name a moment ago. Editors and git save by moving the old
 * file away and writing a new one, so such a path waits: written again at once it is one update of the same file (same
 * file id), else it becomes a delete in the log. Kept in the store, so that a killed daemon forgets none.
 */
import type { Statement } from "better-sqlite3";
import type { AgentName, BookId, FileId, UserId } from "../../schema/ids.ts";
import type { Actor } from "../node.ts";
import type { Store } from "../store.ts";
import { type Time, toNanoseconds } from "../time.ts";

/** How long a path waits to be written again, in milliseconds. */
export const VACANCY_MS = 1000;

/** Who left a path vacant, and what its file became. */
export interface Vacancy {
  readonly actor: Actor;
  /** The scratch file that the path's file was moved to; undefined if it was removed. */
  readonly scratchId: FileId | undefined;
  /** In an overlay: the base's file is not to show again. */
  readonly hides: boolean;
}

interface VacancyRow {
  readonly scratchId: FileId | null;
  readonly hides: number;
  readonly agent: AgentName;
  readonly uid: number;
  readonly pid: number;
  readonly command: string;
}

export class Vacancies {
  readonly #store: Store;
  readonly #key: [BookId, UserId];
  readonly #insert: Statement<unknown[]>;
  readonly #take: Statement<unknown[], VacancyRow>;
  readonly #has: Statement<unknown[], { found: number }>;
  readonly #due: Statement<unknown[], { path: string }>;
  readonly #below: Statement<unknown[], { path: string }>;
  readonly #movedAside: Statement<unknown[], { path: string }>;
  readonly #count: Statement<unknown[], { count: number }>;
  /** Number of paths that wait, so that nobody needs to ask the database whether there are any. */
  count: number;

  constructor(store: Store, bookId: BookId, userId: UserId) {
    this.#store = store;
    this.#key = [bookId, userId];
    const { database } = store;
    this.#insert = database.prepare(
      `INSERT INTO vacancy (book_id, user_id, path, since, agent_id, uid, pid, command, scratch_id, hides)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#has = database.prepare(
      "SELECT 1 AS found FROM vacancy WHERE book_id = ? AND user_id = ? AND path = ?",
    );
    this.#take = database.prepare(
      `DELETE FROM vacancy WHERE book_id = ? AND user_id = ? AND path = ?
       RETURNING agent_id AS agent, uid, pid, command, scratch_id AS scratchId, hides`,
    );
    this.#due = database.prepare(
      "SELECT path FROM vacancy WHERE book_id = ? AND user_id = ? AND since <= ? ORDER BY since, path LIMIT ?",
    );
    this.#below = database.prepare(
      "SELECT path FROM vacancy WHERE book_id = ? AND user_id = ? AND path > ? AND path < ? ORDER BY path",
    );
    this.#movedAside = database.prepare(
      "SELECT path FROM vacancy WHERE book_id = ? AND user_id = ? AND scratch_id IS NOT NULL ORDER BY since, path",
    );
    this.#count = database.prepare("SELECT count(*) AS count FROM vacancy WHERE book_id = ? AND user_id = ?");
    this.count = this.#count.get(bookId, userId)?.count ?? 0;
  }

  /** `scratchId`: the scratch file that the path's file became, if it was not removed. */
  add(path: string, since: Time, actor: Actor, scratchId?: FileId, hides = false): void {
    this.#store.afterRollback(() => this.#recount());
    this.#insert.run(
      ...this.#key,
      path,
      toNanoseconds(since),
      actor.agent,
      actor.uid,
      actor.pid,
      actor.command(),
      scratchId ?? null,
      hides ? 1 : 0,
    );
    this.count++;
  }

  has(path: string): boolean {
    return this.count > 0 && this.#has.get(...this.#key, path) !== undefined;
  }

  /** Forgets a path that has a file again. */
  remove(path: string): void {
    this.take(path);
  }

  /** Forgets a path; answers what was known of it, if it was waiting. */
  take(path: string): Vacancy | undefined {
    const row = this.#take.get(...this.#key, path);
    if (row === undefined) return undefined;
    this.#store.afterRollback(() => this.#recount());
    this.count--;
    return { actor: actorOf(row), scratchId: row.scratchId ?? undefined, hides: row.hides === 1 };
  }

  /** Paths that have waited since `until` or longer, oldest first. */
  due(until: Time, most: number): string[] {
    return this.#due.all(...this.#key, toNanoseconds(until), most).map((row) => row.path);
  }

  /** Paths below a directory's. */
  below(directory: string): string[] {
    // "0" is the character after "/": what begins with `directory/` is from there up to `directory0`.
    return this.#below.all(...this.#key, `${directory}/`, `${directory}0`).map((row) => row.path);
  }

  /** Paths whose file was moved to a scratch name, oldest first. */
  movedAside(): string[] {
    return this.#movedAside.all(...this.#key).map((row) => row.path);
  }

  #recount(): void {
    this.count = this.#count.get(...this.#key)?.count ?? 0;
  }
}

function actorOf(row: VacancyRow): Actor {
  const { agent, uid, pid, command } = row;
  return { agent, uid, gid: 0, pid, command: () => command, origin: undefined };
}
