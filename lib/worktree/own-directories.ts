/**
 * Owns giving overlays directories of their own in the place of the base's: with what those say of them, and what the overlay
 * has in them. Only within a transaction. Must never change the base.
 */
import type { Statement } from "better-sqlite3";
import { BASE, type FileId, newFileId, type UserId } from "../../schema/ids.ts";
import type { Store } from "../store.ts";
import type { Place } from "./create.ts";
import type { Tree } from "./tree.ts";

interface OwnDirectoriesParts {
  readonly store: Store;
  /** Those that are in use. */
  readonly overlays: ReadonlySet<Pick<Tree, "layer" | "openFiles" | "newborns">>;
}

export class OwnDirectories {
  readonly #parts: OwnDirectoriesParts;
  readonly #entry: Statement<unknown[], Place>;
  readonly #addEntry: Statement<unknown[]>;
  readonly #addNode: Statement<unknown[]>;
  readonly #countLinks: Statement<unknown[]>;
  /** What an overlay has in one directory goes to another. */
  readonly #changeParent: readonly Statement<unknown[]>[];

  constructor(parts: OwnDirectoriesParts) {
    this.#parts = parts;
    const { database } = parts.store;
    this.#entry = database.prepare(
      "SELECT parent, name FROM worktree_entry WHERE file_id = ? AND user_id = ?",
    );
    this.#addEntry = database.prepare(
      "INSERT OR REPLACE INTO worktree_entry (entry_id, parent, name, file_id, user_id) VALUES (?, ?, ?, ?, ?)",
    );
    // What the overlay says of the directory itself stays.
    this.#addNode = database.prepare(
      `INSERT OR REPLACE INTO worktree_node (file_id, user_id, mode, uid, gid, nlink, atime, mtime, ctime)
       SELECT +?, +?, coalesce(o.mode, w.mode), coalesce(o.uid, w.uid), coalesce(o.gid, w.gid), 2,
       coalesce(o.atime, w.atime), coalesce(o.mtime, w.mtime), coalesce(o.ctime, w.ctime)
       FROM worktree_node w LEFT JOIN worktree_node o ON o.file_id = w.file_id AND o.user_id = +?
       WHERE w.file_id = +? AND w.user_id = +?`,
    );
    // Its link count is no longer a difference to the base's.
    this.#countLinks = database.prepare(
      `UPDATE worktree_node SET nlink = 2 + (SELECT count(*) FROM worktree_entry e JOIN worktree_node n
         ON n.file_id = e.file_id AND n.user_id = e.user_id
         WHERE e.parent = worktree_node.file_id AND e.user_id = worktree_node.user_id AND n.mode & 61440 = 16384)
       WHERE file_id = ? AND user_id = ?`,
    );
    this.#changeParent = ["file_journal", "worktree_entry", "whiteout"].map((table) =>
      database.prepare(`UPDATE ${table} SET parent = ? WHERE parent = ? AND user_id = ?`),
    );
  }

  /** Where a layer itself has a directory; undefined: it has none of its own. */
  placeOf(directory: FileId, layer: UserId): Place | undefined {
    return this.#entry.get(directory, layer);
  }

  /** The base's directory becomes the overlay's as well, at a place that is free there; nothing is done where it is already. */
  keep(userId: UserId, directory: FileId, place: Place): void {
    if (this.#entry.get(directory, userId) === undefined) this.#add(userId, directory, directory, place);
  }

  /**
   * Gives an overlay a directory of its own where the base's is now, with those above it up to `top`, for what the overlay
   * has in it. `top` gets a name that is free there. `split` remembers them. Returns it.
   */
  splitOff(
    userId: UserId,
    directory: FileId,
    top: { readonly directory: FileId; readonly name: string },
    split: Map<string, FileId>,
  ): FileId {
    const key = `${directory} ${userId}`;
    const known = split.get(key);
    if (known !== undefined) return known;
    const entry = this.#entry.get(directory, BASE);
    // Already the overlay's own.
    if (entry === undefined || this.#entry.get(directory, userId) !== undefined) return directory;
    const own = newFileId();
    split.set(key, own);
    for (const statement of this.#changeParent) statement.run(own, directory, userId);
    this.#parts.store.afterCommit(() => {
      for (const overlay of this.#parts.overlays)
        if (overlay.layer === userId) moveOpenFiles(overlay, directory, own);
    });
    if (directory === top.directory) {
      this.#add(userId, own, directory, { parent: entry.parent, name: top.name });
    } else {
      const parent = this.splitOff(userId, entry.parent, top, split);
      this.#add(userId, own, directory, { parent, name: entry.name });
      this.#countLinks.run(parent, userId);
    }
    return own;
  }

  /** A directory of an overlay's own, with what that says of the base's `like`. */
  #add(userId: UserId, own: FileId, like: FileId, { parent, name }: Place): void {
    this.#addNode.run(own, userId, userId, like, BASE);
    this.#addEntry.run(own === like ? newFileId() : own, parent, name, own, userId);
    this.#countLinks.run(own, userId);
  }
}

/** Files of a layer that somebody has open are in another directory now. */
export function moveOpenFiles(
  { openFiles, newborns }: Pick<Tree, "openFiles" | "newborns">,
  from: FileId,
  to: FileId,
): void {
  for (const file of openFiles.values())
    if (file.parent === from && file.state !== "orphan") file.parent = to;
  const names = newborns.get(from);
  if (names === undefined) return;
  newborns.delete(from);
  newborns.set(to, names);
}
