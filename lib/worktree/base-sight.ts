/**
 * Owns which overlays do not see a file of the base where the base has it, as the store has it now, whether or not anybody
 * uses them: the overlay hides its name or has something of the own there, has the file elsewhere, or does not share a
 * directory above it. Must never look at what nobody has saved, nor write.
 */
import type { Statement } from "better-sqlite3";
import { BASE, type BookId, type FileId, type UserId } from "../../schema/ids.ts";
import type { Store } from "../store.ts";

/** A file of the base. */
export interface BasePlace {
  readonly bookId: BookId;
  readonly path: string;
  readonly fileId: FileId;
  readonly parent: FileId;
}

/** A directory of the base. */
interface Directory {
  readonly bookId: BookId;
  /** "" is the root. */
  readonly path: string;
  readonly parent: FileId;
  readonly name: string;
}

type Users = Statement<unknown[], UserId>;

/** Statements for all overlays, or for one of them: `user` is a condition. */
interface Lookups {
  readonly ofDirectory: Users;
  readonly ofFile: Users;
  readonly ownAt: Users;
}

const NOBODY: ReadonlySet<UserId> = new Set();

/** What is remembered of directories holds for one moment only: one of these is made for each. */
export class BaseSight {
  readonly #statements: BaseSightStatements;
  readonly #directories = new Map<FileId, Directory | undefined>();
  readonly #blind = new Map<string, ReadonlySet<UserId>>();

  constructor(statements: BaseSightStatements) {
    this.#statements = statements;
  }

  /** Book and path of a directory of the base; undefined for any other. */
  directory(fileId: FileId): Directory | undefined {
    if (!this.#directories.has(fileId)) this.#directories.set(fileId, this.#find(fileId));
    return this.#directories.get(fileId);
  }

  /** Overlays that do not see the base's file; `only`: whether that one is among them. */
  blindTo({ bookId, path, fileId, parent }: BasePlace, only: UserId | undefined): ReadonlySet<UserId> {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const { ofFile } = this.#statements.lookups(only);
    const users = ofFile.all({ bookId, path, fileId, parent, name, only });
    const above = this.#blindToDirectory(parent, only);
    return users.length === 0 ? above : new Set([...above, ...users]);
  }

  /** Overlays that have a file of their own at a path, be it vacated. */
  ownAt({ bookId, path }: Pick<BasePlace, "bookId" | "path">, only: UserId | undefined): Set<UserId> {
    return new Set(this.#statements.lookups(only).ownAt.all({ bookId, path, only }));
  }

  #blindToDirectory(fileId: FileId, only: UserId | undefined): ReadonlySet<UserId> {
    const key = `${fileId} ${only ?? ""}`;
    const known = this.#blind.get(key);
    if (known !== undefined) return known;
    const directory = this.directory(fileId);
    let users = NOBODY;
    if (directory !== undefined && directory.path !== "") {
      const own = this.#statements.lookups(only).ofDirectory.all({ ...directory, fileId, only });
      users = new Set([...this.#blindToDirectory(directory.parent, only), ...own]);
    }
    this.#blind.set(key, users);
    return users;
  }

  #find(fileId: FileId): Directory | undefined {
    const entry = this.#statements.entry.get(fileId);
    if (entry === undefined) {
      const bookId = this.#statements.bookOfRoot.get(fileId);
      return bookId === undefined ? undefined : { bookId, path: "", parent: fileId, name: "" };
    }
    const above = this.directory(entry.parent);
    if (above === undefined) return undefined;
    const path = above.path === "" ? entry.name : `${above.path}/${entry.name}`;
    return { bookId: above.bookId, path, ...entry };
  }
}

export class BaseSightStatements {
  readonly entry: Statement<unknown[], Pick<Directory, "parent" | "name">>;
  readonly bookOfRoot: Statement<unknown[], BookId>;
  readonly #ofAll: Lookups;
  readonly #ofOne: Lookups;

  constructor(store: Store) {
    const { database } = store;
    this.entry = database.prepare(
      `SELECT parent, name FROM worktree_entry WHERE file_id = ? AND user_id = '${BASE}' LIMIT 1`,
    );
    this.bookOfRoot = database
      .prepare<unknown[], BookId>("SELECT book_id FROM book WHERE root_id = ?")
      .pluck();
    this.#ofAll = prepareLookups(store, `user_id <> '${BASE}'`);
    this.#ofOne = prepareLookups(store, `user_id <> '${BASE}' AND user_id = +:only`);
  }

  lookups(only: UserId | undefined): Lookups {
    return only === undefined ? this.#ofAll : this.#ofOne;
  }
}

function prepareLookups({ database }: Store, user: string): Lookups {
  const prepare = (sql: string): Users => database.prepare<unknown[], UserId>(sql).pluck();
  const atName = `SELECT user_id FROM worktree_entry WHERE parent = +:parent AND name = +:name AND ${user}
    UNION ALL SELECT user_id FROM whiteout WHERE parent = +:parent AND name = +:name AND ${user}`;
  const ownAt = `SELECT user_id FROM file_journal
    WHERE book_id = +:bookId AND path = +:path AND ${user}`;
  return {
    ofDirectory: prepare(
      `SELECT user_id FROM worktree_entry WHERE file_id = +:fileId AND ${user} UNION ALL ${atName} UNION ALL ${ownAt}`,
    ),
    ofFile: prepare(
      `SELECT user_id FROM file_journal WHERE file_id = +:fileId AND ${user} UNION ALL ${atName} UNION ALL ${ownAt}`,
    ),
    ownAt: prepare(ownAt),
  };
}
