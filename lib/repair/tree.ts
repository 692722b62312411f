/**
 * Owns putting everything back into the tree: each file of the journal into the directory that its path says, what is not in
 * any directory to where it can be found, attributes and link counts to what there is. Must never touch the log.
 */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BASE, type BookId, type FileId, newFileId, type UserId } from "../../schema/ids.ts";
import { FileType } from "../node.ts";
import type { Store } from "../store.ts";
import {
  collectDirectories,
  DIRECTORY,
  MISPLACED,
  ofNobody,
  subdirectories,
  VACANCY_OF_NOTHING,
} from "../verify/worktree.ts";
import type { Tell } from "./mended.ts";
import { insertNode, recoveredName, renameEntry } from "./nodes.ts";

interface Row {
  readonly book_id: BookId;
  readonly user_id: UserId;
  readonly path: string;
}

export function repairTree(store: Store, tell: Tell): void {
  store.transaction(() => {
    new TreeRepair(store, tell).run();
  });
  removeStrayScratch(store, tell);
}

class TreeRepair {
  readonly #store: Store;
  readonly #tell: Tell;

  constructor(store: Store, tell: Tell) {
    this.#store = store;
    this.#tell = tell;
  }

  run(): void {
    this.#dropVacancies();
    this.#attachLost();
    this.#moveAside();
    this.#place();
    this.#forgetNobody();
    this.#countLinks();
  }

  get #database() {
    return this.#store.database;
  }

  #withDirectories<Result>(use: () => Result): Result {
    collectDirectories(this.#database);
    try {
      return use();
    } finally {
      this.#database.exec("DROP TABLE temp.tree_directory");
    }
  }

  #dropVacancies(): void {
    const paths = this.#database
      .prepare(`DELETE FROM vacancy AS v WHERE ${VACANCY_OF_NOTHING} RETURNING path`)
      .pluck()
      .all() as string[];
    for (const path of paths) this.#tell("I1", path, `${path} no longer waits to be deleted.`);
  }

  /**
   * Directories that something is in and that cannot be reached come back to where the journal says they were, else, as
   * everything else, to the root of a book, under a name of scratch. One after the other: each brings others with it.
   */
  #attachLost(): void {
    for (let lost = this.#findLost(); lost !== undefined; lost = this.#findLost()) this.#attach(lost);
  }

  #findLost(): { fileId: FileId; userId: UserId } | undefined {
    return this.#withDirectories(() =>
      this.#database
        .prepare<[], { fileId: FileId; userId: UserId }>(
          `SELECT e.parent AS fileId, e.user_id AS userId FROM worktree_entry e WHERE NOT EXISTS
           (SELECT 1 FROM temp.tree_directory d WHERE d.file_id = e.parent AND d.user_id IN (e.user_id, '${BASE}'))
           ORDER BY EXISTS (SELECT 1 FROM worktree_entry p WHERE p.file_id = e.parent AND p.parent <> e.parent), e.entry_id LIMIT 1`,
        )
        .get(),
    );
  }

  #attach({ fileId, userId }: { fileId: FileId; userId: UserId }): void {
    const database = this.#database;
    database.prepare("DELETE FROM worktree_entry WHERE file_id = ? AND user_id = ?").run(fileId, userId);
    const mode = database
      .prepare("SELECT mode FROM worktree_node WHERE file_id = ? AND user_id = ?")
      .pluck()
      .get(fileId, userId) as number | null | undefined;
    if (((mode ?? 0) & FileType.mask) !== FileType.directory)
      insertNode(this.#store, fileId, userId, FileType.directory | 0o755);
    const file = database
      .prepare<unknown[], Row>(
        "SELECT book_id, user_id, path FROM file_journal WHERE parent = ? AND user_id = ? LIMIT 1",
      )
      .get(fileId, userId);
    const names = file?.path.split("/").slice(0, -1) ?? [];
    const name = names.pop();
    const bookId = file?.book_id ?? this.#anyBook();
    if (bookId === undefined) {
      // Nowhere to put it.
      database.prepare("DELETE FROM worktree_entry WHERE parent = ? AND user_id = ?").run(fileId, userId);
      return;
    }
    const parent = this.#directoryOf({ book_id: bookId, user_id: userId }, names);
    const free = name !== undefined && this.#childOf(parent, name, userId) === undefined;
    const put = free ? (name as string) : recoveredName(fileId);
    this.#insertEntry(parent, put, fileId, userId);
    this.#tell("I1", put, `The directory ${[...names, put].join("/")} has its place in the tree again.`);
  }

  #anyBook(): BookId | undefined {
    return this.#database.prepare("SELECT book_id FROM book ORDER BY book_id LIMIT 1").pluck().get() as
      | BookId
      | undefined;
  }

  /** What has the name of a file of the book makes way for it. */
  #moveAside(): void {
    const rows = this.#database
      .prepare(
        `SELECT e.entry_id AS entryId, e.file_id AS fileId, e.name FROM worktree_entry e
         JOIN file_journal j ON j.parent = e.parent AND j.user_id = e.user_id
         WHERE j.path = e.name OR substr(j.path, -length(e.name) - 1) = '/' || e.name`,
      )
      .all() as { entryId: number; fileId: FileId; name: string }[];
    for (const { entryId, fileId, name } of rows) {
      renameEntry(this.#store, entryId, recoveredName(fileId));
      this.#tell("I1", name, `What was at the place of the file ${name} is ${recoveredName(fileId)} now.`);
    }
  }

  /** Files that are in another directory than their path says, or in none. */
  #place(): void {
    const rows = this.#withDirectories(() => [
      ...(this.#database.prepare(`SELECT j.book_id, j.user_id, j.path ${MISPLACED}`).all() as Row[]),
      ...(this.#database
        .prepare(
          `SELECT book_id, user_id, path FROM file_journal j WHERE parent IS NULL AND NOT EXISTS (SELECT 1 FROM vacancy v
           WHERE v.book_id = j.book_id AND v.path = j.path AND v.user_id = j.user_id)`,
        )
        .all() as Row[]),
    ]);
    const place = this.#database.prepare(
      "UPDATE file_journal SET parent = ? WHERE book_id = ? AND path = ? AND user_id = ?",
    );
    for (const row of rows) {
      if (this.#database.prepare("SELECT 1 FROM book WHERE book_id = ?").get(row.book_id) === undefined)
        continue;
      const names = row.path.split("/");
      const name = names.pop() as string;
      const parent = this.#directoryOf(row, names);
      this.#makeWay(parent, name, row.user_id);
      place.run(parent, row.book_id, row.path, row.user_id);
      this.#tell(
        "I1",
        row.path,
        `${row.path} (${row.book_id}) is in the directory that its path says again.`,
      );
    }
  }

  #makeWay(parent: FileId, name: string, userId: UserId): void {
    const row = this.#database
      .prepare<unknown[], { entryId: number; fileId: FileId }>(
        "SELECT entry_id AS entryId, file_id AS fileId FROM worktree_entry WHERE parent = ? AND name = ? AND user_id = ?",
      )
      .get(parent, name, userId);
    if (row !== undefined) renameEntry(this.#store, row.entryId, recoveredName(row.fileId));
  }

  /** The directory of a layer at a path; makes what is missing, in that layer. */
  #directoryOf({ book_id, user_id }: Pick<Row, "book_id" | "user_id">, names: readonly string[]): FileId {
    let at = this.#database
      .prepare("SELECT root_id FROM book WHERE book_id = ?")
      .pluck()
      .get(book_id) as FileId;
    for (const name of names) {
      const found = this.#childOf(at, name, user_id);
      if (found?.isDirectory === 1) {
        at = found.fileId;
        continue;
      }
      this.#makeWay(at, name, user_id);
      const made = newFileId();
      insertNode(this.#store, made, user_id, FileType.directory | 0o755);
      this.#insertEntry(at, name, made, user_id);
      at = made;
    }
    return at;
  }

  /** What a name leads to in a layer that is no file of the book: its own, else the base's. */
  #childOf(
    parent: FileId,
    name: string,
    userId: UserId,
  ): { fileId: FileId; isDirectory: number } | undefined {
    return this.#database
      .prepare<unknown[], { fileId: FileId; isDirectory: number }>(
        `SELECT e.file_id AS fileId, coalesce(${DIRECTORY}, 0) AS isDirectory FROM worktree_entry e
         LEFT JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id
         WHERE e.parent = ? AND e.name = ? AND e.user_id IN (?, '${BASE}') ORDER BY e.user_id = '${BASE}' LIMIT 1`,
      )
      .get(parent, name, userId);
  }

  #insertEntry(parent: FileId, name: string, fileId: FileId, userId: UserId): void {
    this.#database
      .prepare("INSERT INTO worktree_entry (entry_id, parent, name, file_id, user_id) VALUES (?, ?, ?, ?, ?)")
      .run(newFileId(), parent, name, fileId, userId);
  }

  #forgetNobody(): void {
    for (const [table, what] of [
      ["worktree_node", "attributes"],
      ["worktree_xattr", "extended attributes"],
    ] as const) {
      const ids = this.#database
        .prepare(`DELETE FROM ${table} AS x WHERE ${ofNobody("x")} RETURNING file_id`)
        .pluck()
        .all() as number[];
      for (const id of new Set(ids))
        this.#tell("I1", String(id), `The ${what} of the file ${id}, which is not there, were removed.`);
    }
  }

  #countLinks(): void {
    const counts = this.#withDirectories(
      () =>
        this.#database
          .prepare(
            `SELECT d.file_id AS fileId, d.user_id AS userId, d.path AS subject, 2 + (${subdirectories()}) AS links
             FROM temp.tree_directory d
             UNION ALL SELECT e.file_id, e.user_id, min(e.name), count(*) FROM worktree_entry e
             JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id WHERE NOT (${DIRECTORY})
             GROUP BY e.file_id, e.user_id`,
          )
          .all() as { fileId: FileId; userId: UserId; subject: string; links: number }[],
    );
    const set = this.#database.prepare(
      "UPDATE worktree_node SET nlink = ? WHERE file_id = ? AND user_id = ? AND nlink IS NOT ?",
    );
    for (const { fileId, userId, subject, links } of counts) {
      if (set.run(links, fileId, userId, links).changes > 0)
        this.#tell("I1", subject, `The link count of ${JSON.stringify(subject)} is right again: ${links}.`);
    }
  }
}

/** Bytes of scratch that has no name any more. */
function removeStrayScratch({ database, directory }: Store, tell: Tell): void {
  const isNamed = database.prepare("SELECT 1 FROM worktree_entry WHERE file_id = ?");
  for (const name of readdirSync(join(directory, "scratch"))) {
    if (!/^[0-9]+$/.test(name) || isNamed.get(Number(name)) !== undefined) continue;
    const path = join(directory, "scratch", name);
    rmSync(path);
    tell("orphan", path, `The file ${path}, which had bytes of scratch without a name, was removed.`);
  }
}
