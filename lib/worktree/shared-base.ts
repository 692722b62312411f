/**
 * Owns how an overlay sees the base: the base's files and directories under the overlay's own attributes, less what the
 * overlay hides, has moved, or has something of its own at. The base's scratch is not shared. Must never write.
 */
import type { Statement } from "better-sqlite3";
import { BASE, type BookId, type FileId, type UserId } from "../../schema/ids.ts";
import { ROOT } from "../../schema/paths.ts";
import type { Journal, JournalRow } from "../journal.ts";
import { FileType } from "../node.ts";
import type { Store } from "../store.ts";
import type { DirectoryPaths } from "./directory-paths.ts";
import type { Entries } from "./entries.ts";
import { type LocalRow, SELECT_SHARED_LOCAL, SELECT_SHARED_TRACKED, type TrackedRow } from "./node-rows.ts";

export interface SharedBaseParts {
  readonly store: Store;
  readonly bookId: BookId;
  /** The overlay's. */
  readonly userId: UserId;
  readonly entries: Entries;
  readonly journal: Journal;
  /** The base's. */
  readonly baseJournal: Journal;
  readonly basePaths: DirectoryPaths;
}

/** A directory, which the overlay has not elsewhere as its own. One parameter, the overlay's user. */
const SHARED_DIRECTORY = `w.mode & ${FileType.mask} = ${FileType.directory}
  AND NOT EXISTS (SELECT 1 FROM worktree_entry c WHERE c.file_id = e.file_id AND c.user_id = +?)`;
/** Nothing of the overlay's is at the path, nor has it the file elsewhere. Two parameters, both the overlay's user. */
const NOT_COVERED = `NOT EXISTS (SELECT 1 FROM file_journal c WHERE c.book_id = j.book_id AND c.user_id = +? AND c.path = j.path)
  AND NOT EXISTS (SELECT 1 FROM file_journal c WHERE c.file_id = j.file_id AND c.user_id = +?)`;

export class SharedBase {
  readonly #parts: SharedBaseParts;
  readonly #trackedByPath: Statement<unknown[], TrackedRow>;
  readonly #trackedById: Statement<unknown[], TrackedRow>;
  readonly #trackedIn: Statement<unknown[], TrackedRow>;
  readonly #directoryByName: Statement<unknown[], LocalRow>;
  readonly #directoryById: Statement<unknown[], LocalRow>;
  readonly #directoriesIn: Statement<unknown[], LocalRow>;

  constructor(parts: SharedBaseParts) {
    this.#parts = parts;
    const { database } = parts.store;
    this.#trackedByPath = database.prepare(
      `${SELECT_SHARED_TRACKED} WHERE j.book_id = +? AND j.path = +? AND j.user_id = +? AND j.parent IS NOT NULL`,
    );
    this.#trackedById = database.prepare(
      `${SELECT_SHARED_TRACKED} WHERE j.file_id = +? AND j.user_id = +? AND j.parent IS NOT NULL`,
    );
    this.#trackedIn = database.prepare(
      `${SELECT_SHARED_TRACKED} WHERE j.parent = +? AND j.user_id = +? AND j.file_id > +?
       AND ${NOT_COVERED} ORDER BY j.file_id LIMIT ?`,
    );
    this.#directoryByName = database.prepare(
      `${SELECT_SHARED_LOCAL} WHERE e.parent = +? AND e.name = +? AND e.user_id = +? AND ${SHARED_DIRECTORY}`,
    );
    this.#directoryById = database.prepare(
      `${SELECT_SHARED_LOCAL} WHERE e.file_id = +? AND e.user_id = +? AND ${SHARED_DIRECTORY}`,
    );
    this.#directoriesIn = database.prepare(
      `${SELECT_SHARED_LOCAL} WHERE e.parent = +? AND e.user_id = +? AND e.entry_id > +? AND ${SHARED_DIRECTORY}
       ORDER BY e.entry_id LIMIT ?`,
    );
  }

  /**
   * The base's row of a path in a directory that is shared, vacated or not, whether or not the overlay has a row of its own
   * there; undefined where the overlay hides it or has the file elsewhere.
   */
  version(parent: FileId, name: string, path: string): JournalRow | undefined {
    const { entries, journal, baseJournal } = this.#parts;
    const row = baseJournal.get(path);
    if (row === undefined || entries.hides(parent, name)) return undefined;
    const own = journal.find(row.fileId);
    return own !== undefined && own.path !== path ? undefined : row;
  }

  /** The base's file at a path where the overlay has none. */
  file(parent: FileId, name: string, path: string): TrackedRow | undefined {
    const { userId, bookId, entries, journal } = this.#parts;
    const row = this.#trackedByPath.get(userId, bookId, path, BASE);
    if (row === undefined || entries.hides(parent, name)) return undefined;
    return journal.get(path) === undefined && journal.find(row.fileId) === undefined ? row : undefined;
  }

  /** The base's file, whatever the overlay does to its name. */
  fileById(fileId: FileId): TrackedRow | undefined {
    return this.#trackedById.get(this.#parts.userId, fileId, BASE);
  }

  /** The base's directory at a name where the overlay has nothing; undefined where it has the directory elsewhere. */
  directory(parent: FileId, name: string): LocalRow | undefined {
    const { userId, entries } = this.#parts;
    const row = this.#directoryByName.get(userId, parent, name, BASE, userId);
    return row === undefined || !this.#isShared(row) || entries.hides(parent, name) ? undefined : row;
  }

  /** The base's directory, whatever the overlay does to its name. */
  directoryById(fileId: FileId): LocalRow | undefined {
    const { userId } = this.#parts;
    const row = this.#directoryById.get(userId, fileId, BASE, userId);
    return row === undefined || !this.#isShared(row) ? undefined : row;
  }

  /** Files of a directory with a file id greater than `after`, ascending, of `limit` at most. */
  filesIn(directory: FileId, after: number, limit: number): TrackedRow[] {
    const { userId } = this.#parts;
    return this.#trackedIn.all(userId, directory, BASE, after, userId, userId, limit);
  }

  /** Directories in a directory with an entry id greater than `after`, ascending, of `limit` at most. */
  directoriesIn(directory: FileId, after: number, limit: number): LocalRow[] {
    const { userId } = this.#parts;
    return this.#directoriesIn.all(userId, directory, BASE, after, userId, limit);
  }

  /** Whether a directory of the base is one of the book's, which overlays show. */
  #isShared({ fileId }: LocalRow): boolean {
    return this.#parts.basePaths.find(fileId)?.scratch === false;
  }

  /** Whether a name of a listing is to be shown, given the names that the overlay has in that directory. */
  shows(row: LocalRow | TrackedRow, ownNames: ReadonlySet<string>): boolean {
    if ("path" in row) return !ownNames.has(row.path.slice(row.path.lastIndexOf("/") + 1));
    if (ownNames.has(row.name) || !this.#isShared(row)) return false;
    const { journal, basePaths } = this.#parts;
    const place = basePaths.find(row.fileId);
    return place !== undefined && place.path !== ROOT && journal.get(place.path) === undefined;
  }
}
