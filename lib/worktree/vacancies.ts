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
}

interface VacancyRow {
  readonly scratchId: FileId | null;
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
  readonly #due: Statement<unknown[], { path: string }>;
  readonly #movedAside: Statement<unknown[], { path: string }>;
  readonly #count: Statement<unknown[], { count: number }>;
  /** Number of paths that wait, so that nobody needs to ask the database whether there are any. */
  count: number;

  constructor(store: Store, bookId: BookId, userId: UserId) {
    this.#store = store;
    this.#key = [bookId, userId];
    const { database } = store;
    this.#insert = database.prepare(
      `INSERT INTO vacancy (book_id, user_id, path, since, agent_id, uid, pid, command, scratch_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#take = database.prepare(
      `DELETE FROM vacancy WHERE book_id = ? AND user_id = ? AND path = ?
       RETURNING agent_id AS agent, uid, pid, command, scratch_id AS scratchId`,
    );
    this.#due = database.prepare(
      "SELECT path FROM vacancy WHERE book_id = ? AND user_id = ? AND since <= ? ORDER BY since, path LIMIT ?",
    );
    this.#movedAside = database.prepare(
      "SELECT path FROM vacancy WHERE book_id = ? AND user_id = ? AND scratch_id IS NOT NULL ORDER BY since, path",
    );
    this.#count = database.prepare("SELECT count(*) AS count FROM vacancy WHERE book_id = ? AND user_id = ?");
    this.count = this.#count.get(bookId, userId)?.count ?? 0;
  }

  /** `scratchId`: the scratch file that the path's file became, if it was not removed. */
  add(path: string, since: Time, actor: Actor, scratchId?: FileId): void {
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
    );
    this.count++;
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
    return { actor: actorOf(row), scratchId: row.scratchId ?? undefined };
  }

  /** Paths that have waited since `until` or longer, oldest first. */
  due(until: Time, most: number): string[] {
    return this.#due.all(...this.#key, toNanoseconds(until), most).map((row) => row.path);
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
