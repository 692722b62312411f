/**
 * Owns noting what a transaction does to names that decide which of the base's files a user sees: files of the journal, names
 * that overlays hide, directories and other names of theirs; and of which files the log says that they left an overlay. The
 * database itself notes it, by triggers of this connection, so that no operation can forget to. Must never read or write a table.
 */
import { BASE, type BookId, type FileId, type UserId } from "../../schema/ids.ts";
import { LOCAL_OPERATIONS } from "../../schema/log-row.ts";
import type { Store } from "../store.ts";

/** A file of a layer's journal that came to a path, left it, or came into another directory; or a path that waits no more. */
export interface NotedFile {
  readonly userId: UserId;
  readonly bookId: BookId;
  readonly path: string;
  /** null where it had waited. */
  readonly fileId: FileId | null;
}

/** A name of an overlay's own, or one that it hides, which came or went. */
export interface NotedName {
  readonly userId: UserId;
  readonly parent: FileId;
  readonly name: string;
  /** What had or has the name; null where the overlay hides it. */
  readonly fileId: FileId | null;
}

export interface ViewChanges {
  readonly files: readonly NotedFile[];
  readonly names: readonly NotedName[];
}

export class ViewChangeNotes {
  readonly #store: Store;
  #files: NotedFile[] = [];
  #names: NotedName[] = [];
  #noted = -1;

  constructor(store: Store) {
    this.#store = store;
    const { database } = store;
    // Rows that INSERT OR REPLACE takes away are noted, too.
    database.pragma("recursive_triggers = ON");
    database.function("note_file", (userId, bookId, path, fileId) => {
      this.#begin();
      this.#files.push({ userId, bookId, path, fileId } as NotedFile);
      return null;
    });
    database.function("note_name", (userId, parent, name, fileId) => {
      this.#begin();
      this.#names.push({ userId, parent, name, fileId } as NotedName);
      return null;
    });
    const file = (row: "OLD" | "NEW") =>
      `SELECT note_file(${row}.user_id, ${row}.book_id, ${row}.path, ${row}.file_id);`;
    const entry = (row: "OLD" | "NEW") =>
      `SELECT note_name(${row}.user_id, ${row}.parent, ${row}.name, ${row}.file_id);`;
    const whiteout = (row: "OLD" | "NEW") =>
      `SELECT note_name(${row}.user_id, ${row}.parent, ${row}.name, NULL);`;
    const ofOverlay = (row: "OLD" | "NEW") => `WHEN ${row}.user_id <> '${BASE}'`;
    const triggers = [
      ["file_journal", "INSERT", "", file("NEW")],
      ["file_journal", "DELETE", "", file("OLD")],
      [
        "file_journal",
        "UPDATE OF path, parent",
        "WHEN OLD.path <> NEW.path OR OLD.parent IS NOT NEW.parent",
        file("OLD") + file("NEW"),
      ],
      ["vacancy", "DELETE", ofOverlay("OLD"), "SELECT note_file(OLD.user_id, OLD.book_id, OLD.path, NULL);"],
      ["whiteout", "INSERT", "", whiteout("NEW")],
      ["whiteout", "DELETE", "", whiteout("OLD")],
      ["whiteout", "UPDATE", "", whiteout("OLD") + whiteout("NEW")],
      ["worktree_entry", "INSERT", ofOverlay("NEW"), entry("NEW")],
      ["worktree_entry", "DELETE", ofOverlay("OLD"), entry("OLD")],
      ["worktree_entry", "UPDATE", ofOverlay("NEW"), entry("OLD") + entry("NEW")],
      // A pull may bring a file's coming and going at once, of which nothing else is to be seen here.
      [
        "audit_log",
        "INSERT",
        `${ofOverlay("NEW")} AND NEW.new_hash IS NULL AND NEW.status = 'ok' AND NEW.operation NOT IN (${LOCAL_OPERATIONS})`,
        file("NEW"),
      ],
      // And its going and coming again, since when it shows to those who hid it.
      [
        "audit_log",
        "INSERT",
        `WHEN NEW.user_id = '${BASE}' AND NEW.operation = 'create' AND NEW.status = 'ok'`,
        file("NEW"),
      ],
    ];
    for (const [index, [table, event, when, body]] of triggers.entries())
      database.exec(
        `CREATE TEMP TRIGGER view_change_${index} AFTER ${event} ON main.${table} ${when} BEGIN ${body} END`,
      );
  }

  /** What the transaction under way has changed so far; undefined: nothing. Forgets it. */
  take(): ViewChanges | undefined {
    if (this.#noted !== this.#store.writeCount) return undefined;
    this.#noted = -1;
    return { files: this.#files, names: this.#names };
  }

  /** What an earlier transaction noted is told or undone. */
  #begin(): void {
    const { writeCount } = this.#store;
    if (this.#noted === writeCount) return;
    this.#noted = writeCount;
    this.#files = [];
    this.#names = [];
  }
}
