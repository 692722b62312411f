/**
 * Owns that the log says of every file of the base which users see it (FR-018). What decides that are directories and names
 * that are in no log; so before a transaction is committed, a row tells of each file of which its other rows would say
 * otherwise than what is so. Must never change what anybody sees.
 */
import type { Statement } from "better-sqlite3";
import { type AgentName, BASE, type BookId, type FileId, type Seq, type UserId } from "../../schema/ids.ts";
import type { Log, RowMaker } from "../log.ts";
import { rangeBelow } from "../past/past-view.ts";
import { type Sighting, ToldSight } from "../past/told-sight.ts";
import type { Store } from "../store.ts";
import { type BasePlace, BaseSight, BaseSightStatements } from "./base-sight.ts";
import { ViewChangeNotes, type ViewChanges } from "./view-changes.ts";

const NOW = Number.MAX_SAFE_INTEGER as Seq;
/** For what nobody does, such as what is put in order at a start. */
const NOBODY: RowMaker = { agent: "pfs" as AgentName, uid: null, pid: null, command: () => null };

/** Who may see a file otherwise than the log says: overlays, or all of them. */
type Viewers = Set<UserId> | "all";

/** From now on every transaction of the store ends so; and what no transaction has told is told now. */
export function tellSight(store: Store, log: Log): void {
  const notes = new ViewChangeNotes(store);
  let teller: SightTeller | undefined;
  store.beforeCommit(() => {
    const changes = notes.take();
    if (changes === undefined) return;
    teller ??= new SightTeller(store, log);
    teller.tell(changes);
  });
  const { database } = store;
  const untold = database.prepare<unknown[], BookId>("SELECT book_id FROM untold_book").pluck().all();
  if (untold.length === 0) return;
  store.transaction(() => {
    teller ??= new SightTeller(store, log);
    for (const bookId of untold) teller.tellBook(bookId);
    database.prepare("DELETE FROM untold_book").run();
  });
}

/** The journal or the names of some book are not what they were: {@link tellSight} looks at all of it the next time. */
export function noteUntold(store: Store): void {
  store.transaction(() =>
    store.database.prepare("INSERT OR IGNORE INTO untold_book SELECT book_id FROM book").run(),
  );
}

class SightTeller {
  readonly #log: Log;
  readonly #told: ToldSight;
  readonly #sightStatements: BaseSightStatements;
  readonly #hasOverlays: Statement<unknown[], 0 | 1>;
  readonly #file: Statement<unknown[], BasePlace & { readonly parent: FileId | null }>;
  readonly #fileAt: Statement<unknown[], FileId>;
  readonly #filesBelow: Statement<unknown[], FileId>;
  readonly #vacancy: Statement<unknown[]>;
  readonly #toldOf: Statement<unknown[], UserId>;

  constructor(store: Store, log: Log) {
    this.#log = log;
    const { database } = store;
    this.#told = new ToldSight(database);
    this.#sightStatements = new BaseSightStatements(store);
    const overlay = `user_id <> '${BASE}'`;
    this.#hasOverlays = database
      .prepare<unknown[], 0 | 1>(
        `SELECT EXISTS (SELECT 1 FROM audit_log INDEXED BY audit_log_overlay_file WHERE ${overlay})
         OR EXISTS (SELECT 1 FROM worktree_entry WHERE ${overlay})
         OR EXISTS (SELECT 1 FROM file_journal WHERE ${overlay})
         OR EXISTS (SELECT 1 FROM whiteout)`,
      )
      .pluck();
    this.#file = database.prepare(
      `SELECT book_id AS bookId, path, file_id AS fileId, parent FROM file_journal WHERE file_id = ? AND user_id = '${BASE}'`,
    );
    this.#fileAt = database
      .prepare<unknown[], FileId>(
        `SELECT file_id FROM file_journal WHERE book_id = ? AND user_id = '${BASE}' AND path = ?`,
      )
      .pluck();
    this.#filesBelow = database
      .prepare<unknown[], FileId>(
        `SELECT file_id FROM file_journal WHERE book_id = ? AND user_id = '${BASE}' AND path >= ? AND path < ?`,
      )
      .pluck();
    this.#vacancy = database.prepare("SELECT 1 FROM vacancy WHERE book_id = ? AND path = ? AND user_id = ?");
    const next = (after: string): string =>
      `SELECT min(user_id) FROM audit_log INDEXED BY audit_log_overlay_file WHERE file_id = +:fileId AND ${overlay} ${after}`;
    this.#toldOf = database
      .prepare<unknown[], UserId>(
        `WITH RECURSIVE teller (id) AS (${next("")}
         UNION ALL SELECT (${next("AND user_id > id")}) FROM teller WHERE id IS NOT NULL)
         SELECT id FROM teller WHERE id IS NOT NULL`,
      )
      .pluck();
  }

  /** Writes the rows that are missing of what has changed. */
  tell(changes: ViewChanges): void {
    if (this.#hasOverlays.get() === 0) return;
    const sight = new BaseSight(this.#sightStatements);
    this.#tellOf(this.#doubtful(changes, sight), sight);
  }

  /** Writes the rows that are missing of anything. */
  tellBook(bookId: BookId): void {
    if (this.#hasOverlays.get() === 0) return;
    const { from, end } = rangeBelow("");
    const files = this.#filesBelow.all(bookId, from, end).map((fileId) => [fileId, "all"] as const);
    this.#tellOf(new Map(files), new BaseSight(this.#sightStatements));
  }

  #tellOf(doubtful: ReadonlyMap<FileId, Viewers>, sight: BaseSight): void {
    const rows = [...doubtful].flatMap(([fileId, viewers]) => this.#missing(sight, fileId, viewers));
    rows.sort((a, b) => compare(a.file.path, b.file.path) || compare(a.userId, b.userId));
    const startedMs = performance.now();
    const maker = this.#log.maker ?? NOBODY;
    for (const { userId, file, isSeen } of rows) {
      const { bookId, path, fileId } = file;
      const operation = isSeen ? "uncover" : "cover";
      const row = { operation, bookId, path, userId, prevHash: null, newHash: null } as const;
      this.#log.append({ ...row, startedMs, fileId }, maker);
    }
  }

  /** Files of the base of which the log may be wrong, with those for whom it may be. */
  #doubtful({ files, names }: ViewChanges, sight: BaseSight): Map<FileId, Viewers> {
    const found = new Map<FileId, Viewers>();
    const add = (fileId: FileId, userId: UserId): void => {
      const known = found.get(fileId);
      if (known === undefined) found.set(fileId, new Set([userId]));
      else if (known !== "all") known.add(userId);
    };
    const asked = new Set<string>();
    const addAt = (userId: UserId, bookId: BookId, path: string): void => {
      const key = `${userId} ${bookId} ${path}`;
      if (asked.has(key)) return;
      asked.add(key);
      const { from, end } = rangeBelow(path);
      for (const fileId of this.#fileAt.all(bookId, path)) add(fileId, userId);
      for (const fileId of this.#filesBelow.all(bookId, from, end)) add(fileId, userId);
    };
    for (const { userId, bookId, path, fileId } of files) {
      if (userId !== BASE) addAt(userId, bookId, path);
      if (fileId === null) continue;
      if (userId === BASE) found.set(fileId, "all");
      else add(fileId, userId);
    }
    for (const { userId, parent, name, fileId } of names) {
      const directory = sight.directory(parent);
      if (directory !== undefined)
        addAt(userId, directory.bookId, directory.path === "" ? name : `${directory.path}/${name}`);
      const moved = fileId === null ? undefined : sight.directory(fileId);
      if (moved !== undefined) addAt(userId, moved.bookId, moved.path);
    }
    return found;
  }

  /** Whether rows say what is so; and, if they say it since this transaction, whether one is at the file's path. */
  #isTold(sighting: Sighting, isSeen: boolean): boolean {
    if (this.#told.isSeen(sighting, NOW) !== isSeen) return false;
    const before = this.#log.seqBefore as Seq;
    return (
      this.#told.isSeen(sighting, before) === isSeen || this.#told.lastPath(sighting, NOW) === sighting.path
    );
  }

  /** What the user has removed a moment ago is decided when that is settled. */
  #isWaiting({ bookId, path }: BasePlace, userId: UserId): boolean {
    return this.#vacancy.get(bookId, path, userId) !== undefined;
  }

  #missing(
    sight: BaseSight,
    fileId: FileId,
    viewers: Viewers,
  ): { userId: UserId; file: BasePlace; isSeen: boolean }[] {
    const found = this.#file.get(fileId);
    // What is vacated is decided when that is.
    if (found === undefined || found.parent === null) return [];
    const file = found as BasePlace;
    const ask = (userId: UserId, isSeen: boolean) =>
      this.#isTold({ ...file, userId }, isSeen) || this.#isWaiting(file, userId)
        ? []
        : [{ userId, file, isSeen }];
    if (viewers !== "all") {
      return [...viewers].flatMap((userId) =>
        sight.ownAt(file, userId).size > 0 ? [] : ask(userId, sight.blindTo(file, userId).size === 0),
      );
    }
    const blind = sight.blindTo(file, undefined);
    const users = new Set([...blind, ...this.#toldOf.all({ fileId })]);
    if (users.size === 0) return [];
    const own = sight.ownAt(file, undefined);
    return [...users].flatMap((userId) => (own.has(userId) ? [] : ask(userId, !blind.has(userId))));
  }
}

/** As SQLite sorts. */
function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
