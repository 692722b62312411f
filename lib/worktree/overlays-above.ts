/**
 * Owns what a change of the base's names means for the overlays above it, whether or not anybody uses them now: an overlay's
 * version follows its file to the new name, and what it added to a directory stays when the base's directory goes. All of
 * it within the transaction of the change. Must never change the base.
 */
import type { Statement } from "better-sqlite3";
import { BASE, type BlobHash, type FileId, newFileId, type UserId } from "../../schema/ids.ts";
import { parentOf, ROOT, type TreePath } from "../../schema/paths.ts";
import type { Book } from "../book.ts";
import type { Log } from "../log.ts";
import type { Actor } from "../node.ts";
import type { Store } from "../store.ts";
import type { Place } from "./create.ts";
import type { Tree } from "./tree.ts";

/** One name of the base that moves: a file's, or a directory's with all that is in it. */
export interface BaseMove {
  readonly fileId: FileId;
  readonly isDirectory: boolean;
  readonly from: Place;
  readonly to: Place;
  readonly oldPath: TreePath;
  readonly newPath: TreePath;
  /** Overlays that are to have something of their own at the new name, above it or below it, before the transaction ends. */
  readonly occupiers?: readonly UserId[];
}

export interface OverlaysAboveParts {
  readonly store: Store;
  readonly log: Log;
  readonly book: Book;
  /** Those that are in use. */
  readonly overlays: ReadonlySet<Pick<Tree, "layer" | "openFiles" | "newborns">>;
}

interface OverlayRow {
  readonly path: TreePath;
  readonly userId: UserId;
  readonly sha256: BlobHash;
  readonly fileId: FileId;
  readonly parent: FileId | null;
  readonly size: number;
  readonly mode: number;
  readonly mtime: string;
}

interface Followed {
  readonly row: OverlayRow;
  readonly to: TreePath;
  readonly parent: FileId | null;
}

const OVERLAY_ROW = `path, user_id AS userId, sha256, file_id AS fileId, parent, size, mode, CAST(mtime AS TEXT) AS mtime
  FROM file_journal`;

export class OverlaysAbove {
  readonly #parts: OverlaysAboveParts;
  readonly #byId: Statement<unknown[], OverlayRow>;
  readonly #inDirectory: Statement<unknown[], OverlayRow>;
  readonly #directoriesIn: Statement<unknown[], { fileId: FileId }>;
  readonly #entry: Statement<unknown[], { parent: FileId; name: string }>;
  readonly #keepersIn: Statement<unknown[], { userId: UserId }>;
  readonly #occupants: Statement<unknown[], { userId: UserId }>;
  readonly #hasOwn: Statement<unknown[], { found: number }>;
  readonly #hasFile: Statement<unknown[], { found: number }>;
  readonly #covers: Statement<unknown[], { found: number }>;
  readonly #addEntry: Statement<unknown[]>;
  readonly #addNode: Statement<unknown[]>;
  readonly #countLinks: Statement<unknown[]>;
  /** What an overlay has in one directory goes to another. */
  readonly #changeParent: readonly Statement<unknown[]>[];
  readonly #moveRow: Statement<unknown[]>;
  readonly #moveWhiteouts: Statement<unknown[]>;
  readonly #forgetWhiteouts: Statement<unknown[]>;
  /** What overlays say of a node of the base's that they do not have themselves. */
  readonly #forgetNode: readonly Statement<unknown[]>[];

  constructor(parts: OverlaysAboveParts) {
    this.#parts = parts;
    const { database } = parts.store;
    this.#byId = database.prepare(`SELECT ${OVERLAY_ROW} WHERE file_id = ? AND user_id <> ?`);
    this.#inDirectory = database.prepare(`SELECT ${OVERLAY_ROW} WHERE parent = ? AND user_id = ?`);
    this.#directoriesIn = database.prepare(
      `SELECT DISTINCT e.file_id AS fileId FROM worktree_entry e
       JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id
       WHERE e.parent = +? AND w.mode & 61440 = 16384`,
    );
    this.#entry = database.prepare(
      "SELECT parent, name FROM worktree_entry WHERE file_id = ? AND user_id = ?",
    );
    this.#keepersIn = database.prepare(
      `SELECT user_id AS userId FROM file_journal WHERE parent = ? AND user_id <> ?
       UNION SELECT user_id FROM worktree_entry WHERE parent = ? AND user_id <> ?`,
    );
    this.#occupants = database.prepare(
      `SELECT user_id AS userId FROM worktree_entry WHERE parent = ? AND name = ? AND user_id <> ?
       UNION SELECT user_id FROM file_journal WHERE parent = ? AND path = ? AND user_id <> ? AND file_id <> ?`,
    );
    this.#hasOwn = database.prepare(
      "SELECT 1 AS found FROM worktree_entry WHERE file_id = ? AND user_id = ?",
    );
    this.#hasFile = database.prepare(
      "SELECT 1 AS found FROM file_journal WHERE book_id = ? AND user_id = ? AND path = ?",
    );
    this.#covers = database.prepare(
      `SELECT 1 AS found FROM worktree_entry WHERE parent = ? AND name = ? AND user_id = ?
       UNION ALL SELECT 1 FROM whiteout WHERE parent = ? AND name = ? AND user_id = ?`,
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
    this.#moveRow = database.prepare(
      "UPDATE file_journal SET path = ?, parent = ? WHERE book_id = ? AND user_id = ? AND path = ?",
    );
    this.#moveWhiteouts = database.prepare(
      "UPDATE OR REPLACE whiteout SET parent = ?, name = ? WHERE parent = ? AND name = ?",
    );
    this.#forgetNode = [
      "worktree_node WHERE file_id = ?",
      "worktree_xattr WHERE file_id = ?",
      "whiteout WHERE parent = ?",
    ].map((rows) =>
      database.prepare(
        `DELETE FROM ${rows} AND user_id <> ?
         AND NOT EXISTS (SELECT 1 FROM worktree_entry e WHERE e.file_id = ? AND e.user_id = ${rows.split(" ")[0]}.user_id)
         AND NOT EXISTS (SELECT 1 FROM file_journal j WHERE j.file_id = ? AND j.user_id = ${rows.split(" ")[0]}.user_id)`,
      ),
    );
    this.#forgetWhiteouts = database.prepare("DELETE FROM whiteout WHERE parent = ? AND name = ?");
  }

  /** To be called before the base's own rows and entries move. */
  follow(moves: readonly BaseMove[], actor: Actor, startedMs: number): void {
    const staying = new Set(
      moves.flatMap((move) => [...this.#occupantsOf(move, moves), ...this.#keepersOf(move)]),
    );
    // Who keeps anything at its old name has no room there for what comes to that.
    for (const move of moves) for (const userId of this.#parting(move, staying)) staying.add(userId);
    const followed = moves.flatMap((move) => this.#followed(move, staying));
    for (const [index, { row }] of followed.entries()) {
      this.#logAway(row, actor, startedMs);
      // Aside, as two may change places.
      this.#move(row, `\u0000${index}`, row.parent);
    }
    for (const [index, { row, to, parent }] of followed.entries()) {
      this.#move({ ...row, path: `\u0000${index}` as TreePath }, to, parent);
      this.#logTo(row, to, actor, startedMs);
    }
    const aside = `\u0000${newFileId()}`;
    for (const [index, { from }] of moves.entries())
      this.#moveWhiteouts.run(from.parent, `${aside}${index}`, from.parent, from.name);
    for (const [index, { from, to }] of moves.entries()) {
      // Hidden was what is replaced.
      this.forgetHidden(to.parent, to.name);
      this.#moveWhiteouts.run(to.parent, to.name, from.parent, `${aside}${index}`);
    }
  }

  /** The base is about to remove a directory: overlays that have something in it keep it as their own. */
  keepDirectory(directory: FileId): void {
    for (const userId of this.#keepers(directory)) {
      const entry =
        this.#hasOwn.get(directory, userId) === undefined ? this.#entry.get(directory, BASE) : undefined;
      if (entry !== undefined) this.#add(userId, directory, directory, entry);
    }
    this.forgetNode(directory);
  }

  /** The base has a file or directory no more: what overlays without a version of their own said of it goes. */
  forgetNode(fileId: FileId): void {
    for (const statement of this.#forgetNode) statement.run(fileId, BASE, fileId, fileId);
  }

  /** The base's file of that name is gone for good: nobody needs to hide it any more. */
  forgetHidden(parent: FileId | undefined, name: string): void {
    if (parent !== undefined) this.#forgetWhiteouts.run(parent, name);
  }

  /** Overlays that have something of their own at the new name, other than what leaves it by another of the moves. */
  #occupantsOf({ to, newPath, occupiers = [] }: BaseMove, moves: readonly BaseMove[]): UserId[] {
    const leaving = moves.find(({ oldPath, isDirectory }) => oldPath === newPath && !isDirectory)?.fileId;
    const making = [...this.#parts.overlays].filter(({ layer }) => this.#isMaking(layer, to));
    const rows = this.#occupants.all(to.parent, to.name, BASE, to.parent, newPath, BASE, leaving ?? 0);
    return [...occupiers, ...making.map(({ layer }) => layer), ...rows.map(({ userId }) => userId)];
  }

  /** `staying`: overlays in which a name is taken. Where two change places, what is of either stays. */
  #followed(move: BaseMove, staying: ReadonlySet<UserId>): Followed[] {
    const { fileId, isDirectory, to, newPath } = move;
    if (!isDirectory) {
      return this.#versionsOf(move)
        .filter(({ userId }) => !staying.has(userId))
        .map((row) => ({ row, to: newPath, parent: to.parent }));
    }
    const { kept, moved } = this.#keptIn(move);
    const parting = this.#parting(move, staying);
    const split = new Map<string, FileId>();
    for (const { userId, directory } of kept) {
      // The new name means something else there: what this overlay has in the directory stays at the old one.
      if (parting.has(userId)) this.#splitOff(userId, directory, fileId, split);
    }
    return moved.filter(({ row: { userId } }) => !parting.has(userId));
  }

  /** What overlays have of a file of the base at its name. */
  #versionsOf({ fileId, isDirectory, oldPath }: BaseMove): OverlayRow[] {
    return isDirectory ? [] : this.#byId.all(fileId, BASE).filter(({ path }) => path === oldPath);
  }

  /** Overlays that keep theirs: it is just being written anew, or the new name is in a directory that they do not share. */
  #keepersOf(move: BaseMove): UserId[] {
    return this.#versionsOf(move)
      .filter(({ parent, userId }) => parent === null || !this.#shares(userId, move.to.parent, move.newPath))
      .map(({ userId }) => userId);
  }

  /** Overlays that have something in a directory that moves, and keep it at the old name. */
  #parting(move: BaseMove, staying: ReadonlySet<UserId>): Set<UserId> {
    const { isDirectory, to, oldPath, newPath } = move;
    if (!isDirectory) return new Set();
    const { kept, moved } = this.#keptIn(move);
    const misplaced = this.#misplaced(kept, moved, oldPath, newPath);
    const users = new Set(kept.map(({ userId }) => userId));
    for (const userId of users)
      if (!misplaced.has(userId) && !staying.has(userId) && this.#shares(userId, to.parent, newPath))
        users.delete(userId);
    return users;
  }

  /** What overlays have in a directory that moves and that they share: the directories, and their files with the new names. */
  #keptIn({ fileId, oldPath, newPath }: BaseMove): {
    kept: { userId: UserId; directory: FileId }[];
    moved: Followed[];
  } {
    const kept = [...this.#treeOf(fileId)].flatMap((directory) =>
      [...this.#keepers(directory)]
        .filter((userId) => this.#showsIn(userId, directory, fileId))
        .map((userId) => ({ userId, directory })),
    );
    const moved = kept.flatMap(({ userId, directory }) =>
      this.#inDirectory
        .all(directory, userId)
        .map((row) => ({ row, to: below(row.path, oldPath, newPath), parent: row.parent })),
    );
    return { kept, moved };
  }

  /** R1: overlays of which something would have no place in the book at the new name; all that they have there stays. */
  #misplaced(
    kept: readonly { userId: UserId; directory: FileId }[],
    moved: readonly Followed[],
    oldPath: TreePath,
    newPath: TreePath,
  ): Set<UserId> {
    const { profile } = this.#parts.book;
    const misplaced = new Set<UserId>();
    for (const { row, to } of moved) if (!profile.matchesFile(to)) misplaced.add(row.userId);
    for (const { layer, newborns } of this.#parts.overlays) {
      const making = kept.filter(({ userId }) => userId === layer).map(({ directory }) => directory);
      for (const file of making.flatMap((directory) => [...(newborns.get(directory)?.values() ?? [])]))
        if (!profile.matchesFile(below(file.path() as TreePath, oldPath, newPath))) misplaced.add(layer);
    }
    return misplaced;
  }

  /** Overlays that have something in a directory, be it only a file that is yet to be saved. */
  #keepers(directory: FileId): Set<UserId> {
    const users = new Set(this.#keepersIn.all(directory, BASE, directory, BASE).map(({ userId }) => userId));
    for (const { layer, newborns, openFiles } of this.#parts.overlays)
      if (newborns.has(directory) || hasDraftIn(openFiles, directory)) users.add(layer);
    return users;
  }

  /** A directory with all that any layer has in it. */
  #treeOf(directory: FileId): Set<FileId> {
    const found = new Set([directory]);
    for (const at of found) for (const { fileId } of this.#directoriesIn.all(at)) found.add(fileId);
    return found;
  }

  /** Whether an overlay shows a directory within the base's directory `top`, and shares that. */
  #showsIn(userId: UserId, directory: FileId, top: FileId): boolean {
    for (let at = directory; ; ) {
      const own = this.#entry.get(at, userId);
      if (at === top) return own === undefined;
      const entry = own ?? this.#entry.get(at, BASE);
      if (entry === undefined) return false;
      at = entry.parent;
    }
  }

  /** Whether an overlay shows a directory of the base where the base has it. `path`: that of something in it. */
  #shares(userId: UserId, directory: FileId, path: TreePath): boolean {
    const { bookId } = this.#parts.book;
    for (let above = parentOf(path); above !== ROOT; above = parentOf(above))
      if (this.#hasFile.get(bookId, userId, above) !== undefined) return false;
    for (let at = directory; ; ) {
      const entry = this.#entry.get(at, BASE);
      // The root is everyone's.
      if (entry === undefined) return true;
      const { parent, name } = entry;
      if (this.#hasOwn.get(at, userId) !== undefined || this.#isMaking(userId, entry)) return false;
      if (this.#covers.get(parent, name, userId, parent, name, userId) !== undefined) return false;
      at = parent;
    }
  }

  /** Whether an overlay has a file at a name that is yet to be saved. */
  #isMaking(userId: UserId, { parent, name }: Place): boolean {
    const overlay = [...this.#parts.overlays].find(({ layer }) => layer === userId);
    return overlay?.newborns.get(parent)?.has(name) === true;
  }

  /**
   * Gives an overlay a directory of its own where the base's is now, with those above it up to `top`, for what the overlay
   * has in it. `split` remembers them. Returns it.
   */
  #splitOff(userId: UserId, directory: FileId, top: FileId, split: Map<string, FileId>): FileId {
    const key = `${directory} ${userId}`;
    const known = split.get(key);
    if (known !== undefined) return known;
    const entry = this.#entry.get(directory, BASE);
    // Already the overlay's own.
    if (entry === undefined || this.#hasOwn.get(directory, userId) !== undefined) return directory;
    const own = newFileId();
    split.set(key, own);
    for (const statement of this.#changeParent) statement.run(own, directory, userId);
    this.#parts.store.afterCommit(() => this.#moveOpenFiles(userId, directory, own));
    const parent = directory === top ? entry.parent : this.#splitOff(userId, entry.parent, top, split);
    this.#add(userId, own, directory, { parent, name: entry.name });
    if (directory !== top) this.#countLinks.run(parent, userId);
    return own;
  }

  /** Files of an overlay that somebody has open are in another directory now. */
  #moveOpenFiles(userId: UserId, from: FileId, to: FileId): void {
    for (const { layer, openFiles, newborns } of this.#parts.overlays) {
      if (layer !== userId) continue;
      for (const file of openFiles.values())
        if (file.parent === from && file.state !== "orphan") file.parent = to;
      const names = newborns.get(from);
      if (names === undefined) continue;
      newborns.delete(from);
      newborns.set(to, names);
    }
  }

  /** A directory of an overlay's own, with what that says of the base's `like`. */
  #add(userId: UserId, own: FileId, like: FileId, { parent, name }: Place): void {
    this.#addNode.run(own, userId, userId, like, BASE);
    this.#addEntry.run(own === like ? newFileId() : own, parent, name, own, userId);
    this.#countLinks.run(own, userId);
  }

  #move({ userId, path }: OverlayRow, to: string, parent: FileId | null): void {
    this.#moveRow.run(to, parent, this.#parts.book.bookId, userId, path);
  }

  #logAway({ path, userId, sha256, fileId }: OverlayRow, actor: Actor, startedMs: number): void {
    const { bookId } = this.#parts.book;
    const away = { operation: "rename", bookId, path, userId, prevHash: sha256, newHash: null } as const;
    this.#parts.log.append({ ...away, startedMs, fileId }, actor);
  }

  #logTo(row: OverlayRow, path: TreePath, actor: Actor, startedMs: number): void {
    const { bookId } = this.#parts.book;
    const { userId, sha256, fileId, size, mode, mtime } = row;
    const moved = { operation: "rename", bookId, path, userId, prevPath: row.path, prevHash: null } as const;
    this.#parts.log.append({ ...moved, newHash: sha256, startedMs, fileId, size, mode, mtime }, actor);
  }
}

/** A draft over a file of the base, which goes with the directory: it is refused when it is saved, and kept at that path. */
function hasDraftIn(openFiles: Tree["openFiles"], directory: FileId): boolean {
  for (const { parent, state, dirty } of openFiles.values())
    if (parent === directory && state === "tracked" && dirty) return true;
  return false;
}

function below(path: TreePath, oldTop: TreePath, newTop: TreePath): TreePath {
  return `${newTop}${path.slice(oldTop.length)}` as TreePath;
}
