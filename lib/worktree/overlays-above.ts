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
import { asideName } from "./name-class.ts";
import { OwnDirectories } from "./own-directories.ts";
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
  /** Overlays that do not follow it: their version of the file is where it is to be. */
  readonly placers?: readonly UserId[];
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
  readonly base: BlobHash | null;
}

interface Followed {
  readonly row: OverlayRow;
  readonly to: TreePath;
  readonly parent: FileId | null;
}

const OVERLAY_ROW = `path, user_id AS userId, sha256, file_id AS fileId, parent, size, mode, CAST(mtime AS TEXT) AS mtime,
  base_sha256 AS base FROM file_journal`;

export class OverlaysAbove {
  readonly #parts: OverlaysAboveParts;
  readonly #own: OwnDirectories;
  readonly #byId: Statement<unknown[], OverlayRow>;
  readonly #inDirectory: Statement<unknown[], OverlayRow>;
  readonly #directoriesIn: Statement<unknown[], { fileId: FileId }>;
  readonly #keepersIn: Statement<unknown[], { userId: UserId }>;
  readonly #occupants: Statement<unknown[], { userId: UserId }>;
  readonly #hasFile: Statement<unknown[], { found: number }>;
  readonly #covers: Statement<unknown[], { found: number }>;
  readonly #moveRow: Statement<unknown[]>;
  readonly #moveWhiteouts: Statement<unknown[]>;
  readonly #forgetWhiteouts: Statement<unknown[]>;
  /** What overlays say of a node of the base's that they do not have themselves. */
  readonly #forgetNode: readonly Statement<unknown[]>[];

  constructor(parts: OverlaysAboveParts) {
    this.#parts = parts;
    this.#own = new OwnDirectories(parts);
    const { database } = parts.store;
    this.#byId = database.prepare(`SELECT ${OVERLAY_ROW} WHERE file_id = ? AND user_id <> ?`);
    this.#inDirectory = database.prepare(`SELECT ${OVERLAY_ROW} WHERE parent = ? AND user_id = ?`);
    this.#directoriesIn = database.prepare(
      `SELECT DISTINCT e.file_id AS fileId FROM worktree_entry e
       JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id
       WHERE e.parent = +? AND w.mode & 61440 = 16384`,
    );
    this.#keepersIn = database.prepare(
      `SELECT user_id AS userId FROM file_journal WHERE parent = ? AND user_id <> ?
       UNION SELECT user_id FROM worktree_entry WHERE parent = ? AND user_id <> ?`,
    );
    this.#occupants = database.prepare(
      `SELECT user_id AS userId FROM worktree_entry WHERE parent = ? AND name = ? AND user_id <> ?
       UNION SELECT user_id FROM file_journal WHERE parent = ? AND path = ? AND user_id <> ? AND file_id <> ?`,
    );
    this.#hasFile = database.prepare(
      "SELECT 1 AS found FROM file_journal WHERE book_id = ? AND user_id = ? AND path = ?",
    );
    this.#covers = database.prepare(
      `SELECT 1 AS found FROM worktree_entry WHERE parent = ? AND name = ? AND user_id = ?
       UNION ALL SELECT 1 FROM whiteout WHERE parent = ? AND name = ? AND user_id = ?`,
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
    const aside = moves.map(({ from }) => this.liftHidden(from));
    for (const [index, { to }] of moves.entries()) {
      // Hidden was what is replaced.
      this.forgetHidden(to.parent, to.name);
      const { parent, name } = aside[index] as Place;
      this.#moveWhiteouts.run(to.parent, to.name, parent, name);
    }
  }

  /** Who hides a name hides another from now on, which nobody sees: {@link follow} is to be given that. Its directory may go. */
  liftHidden({ parent, name }: Place): Place {
    const aside = { parent: this.#parts.book.rootId, name: `\u0000${newFileId()}` };
    this.#moveWhiteouts.run(aside.parent, aside.name, parent, name);
    return aside;
  }

  /**
   * The base is about to remove a directory: overlays that have something in it keep it as their own, those that have another
   * thing at its name under a name of scratch.
   */
  keepDirectory(directory: FileId, path: TreePath): void {
    const place = this.#own.placeOf(directory, BASE);
    if (place !== undefined) {
      const nameFor = this.#namesAt(place, path);
      for (const userId of this.#keepers(directory))
        this.#own.keep(userId, directory, { parent: place.parent, name: nameFor(userId) });
    }
    this.forgetNode(directory);
  }

  /** Under which name overlays have room for a directory at a place: one of scratch where another thing is there. */
  #namesAt({ parent, name }: Place, path: TreePath): (userId: UserId) => string {
    const occupants = this.#occupants.all(parent, name, BASE, parent, path, BASE, 0);
    const taken = new Set(occupants.map(({ userId }) => userId));
    return (userId) => {
      const isTaken = (aside: string): boolean =>
        this.#covers.get(parent, aside, userId, parent, aside, userId) !== undefined;
      return taken.has(userId) ? asideName(name, isTaken) : name;
    };
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
    const { fileId, isDirectory, from, to, oldPath, newPath } = move;
    if (!isDirectory) {
      return this.#versionsOf(move)
        .filter(({ userId }) => !staying.has(userId))
        .map((row) => ({ row, to: newPath, parent: to.parent }));
    }
    const { kept, moved } = this.#keptIn(move);
    const parting = this.#parting(move, staying);
    const split = new Map<string, FileId>();
    const nameFor = this.#namesAt(from, oldPath);
    for (const { userId, directory } of kept) {
      // The new name means something else there: what this overlay has in the directory stays at the old one.
      if (!parting.has(userId)) continue;
      this.#own.splitOff(userId, directory, { directory: fileId, name: nameFor(userId) }, split);
    }
    return moved.filter(({ row: { userId } }) => !parting.has(userId));
  }

  /** What overlays have of a file of the base at its name, and follow it with. */
  #versionsOf({ fileId, isDirectory, oldPath, placers = [] }: BaseMove): OverlayRow[] {
    if (isDirectory) return [];
    const rows = this.#byId.all(fileId, BASE);
    return rows.filter(({ path, userId }) => path === oldPath && !placers.includes(userId));
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
      const own = this.#own.placeOf(at, userId);
      if (at === top) return own === undefined;
      const entry = own ?? this.#own.placeOf(at, BASE);
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
      const entry = this.#own.placeOf(at, BASE);
      // The root is everyone's.
      if (entry === undefined) return true;
      const { parent, name } = entry;
      if (this.#own.placeOf(at, userId) !== undefined || this.#isMaking(userId, entry)) return false;
      if (this.#covers.get(parent, name, userId, parent, name, userId) !== undefined) return false;
      at = parent;
    }
  }

  /** Whether an overlay has a file at a name that is yet to be saved. */
  #isMaking(userId: UserId, { parent, name }: Place): boolean {
    const overlay = [...this.#parts.overlays].find(({ layer }) => layer === userId);
    return overlay?.newborns.get(parent)?.has(name) === true;
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
    const { userId, sha256, fileId, size, mode, mtime, base } = row;
    const moved = { operation: "rename", bookId, path, userId, prevPath: row.path, prevHash: null } as const;
    this.#parts.log.append({ ...moved, newHash: sha256, startedMs, fileId, size, mode, mtime, base }, actor);
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
