/**
 * Owns the statements on what is this machine's alone in one layer: names that the journal does not hold (directories,
 * scratch, fifos, sockets), names of the base that an overlay hides (whiteouts), and local attributes. Must never touch the journal.
 */
import type { Statement } from "better-sqlite3";
import { BASE, type FileId, newFileId, type UserId } from "../../schema/ids.ts";
import { FileType, type Node } from "../node.ts";
import type { Store } from "../store.ts";
import { type Time, toNanoseconds } from "../time.ts";
import { type LocalRow, SELECT_LOCAL } from "./node-rows.ts";

/** Local attributes; null is the default, absent stays. */
export interface LocalAttributes {
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atime?: Time;
  readonly mtime?: Time;
  readonly ctime?: Time;
}

export interface NewNode extends LocalAttributes {
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly ctime: Time;
  readonly target?: Uint8Array;
}

export class Entries {
  readonly #store: Store;
  readonly #userId: UserId;
  readonly #byName: Statement<unknown[], LocalRow>;
  readonly #byId: Statement<unknown[], LocalRow>;
  readonly #list: Statement<unknown[], LocalRow>;
  readonly #any: Statement<unknown[], { found: number }>;
  readonly #names: Statement<unknown[], { name: string }>;
  readonly #hides: Statement<unknown[], { found: number }>;
  readonly #hide: Statement<unknown[]>;
  readonly #hidden: Statement<unknown[], { parent: FileId; name: string }>;
  readonly #directories: Statement<unknown[], { fileId: FileId }>;
  readonly #unhide: Statement<unknown[]>;
  readonly #insertEntry: Statement<unknown[]>;
  readonly #removeEntry: Statement<unknown[]>;
  readonly #moveEntry: Statement<unknown[]>;
  readonly #insertNode: Statement<unknown[]>;
  readonly #removeNode: Statement<unknown[]>;
  readonly #removeXattrs: Statement<unknown[]>;
  readonly #touch: Statement<unknown[]>;
  readonly #changeLinks: Statement<unknown[]>;
  readonly #setAttributes: Statement<unknown[]>;
  readonly #copyUp: Statement<unknown[]>;
  readonly #target: Statement<unknown[], { target: Buffer | null }>;
  readonly #renumber: readonly Statement<unknown[]>[];

  constructor(store: Store, userId: UserId) {
    this.#store = store;
    this.#userId = userId;
    const { database } = store;
    this.#byName = database.prepare(`${SELECT_LOCAL} WHERE e.parent = +? AND e.name = +? AND e.user_id = +?`);
    this.#byId = database.prepare(`${SELECT_LOCAL} WHERE e.file_id = +? AND e.user_id = +? LIMIT 1`);
    this.#list = database.prepare(
      `${SELECT_LOCAL} WHERE e.parent = +? AND e.user_id = +? AND e.entry_id > +? ORDER BY e.entry_id LIMIT ?`,
    );
    this.#any = database.prepare(
      `SELECT EXISTS (SELECT 1 FROM worktree_entry WHERE parent = ? AND user_id = ?) OR
       EXISTS (SELECT 1 FROM file_journal WHERE parent = ? AND user_id = ?) AS found`,
    );
    this.#names = database.prepare(
      `SELECT name FROM worktree_entry WHERE parent = ? AND user_id = ?
       UNION ALL SELECT name FROM whiteout WHERE parent = ? AND user_id = ?`,
    );
    const hidden = "whiteout WHERE parent = ? AND user_id = ? AND name = ?";
    this.#hides = database.prepare(`SELECT 1 AS found FROM ${hidden}`);
    this.#hide = database.prepare("INSERT OR IGNORE INTO whiteout (parent, user_id, name) VALUES (?, ?, ?)");
    this.#hidden = database.prepare(
      "SELECT parent, name FROM whiteout WHERE user_id = ? ORDER BY parent, name",
    );
    this.#directories = database.prepare(
      `SELECT e.file_id AS fileId FROM worktree_node w JOIN worktree_entry e ON e.file_id = w.file_id
       AND e.user_id = w.user_id WHERE e.user_id = +? AND w.mode & ${FileType.mask} = ${FileType.directory}`,
    );
    this.#unhide = database.prepare(`DELETE FROM ${hidden}`);
    this.#insertEntry = database.prepare(
      "INSERT INTO worktree_entry (entry_id, parent, name, file_id, user_id) VALUES (?, ?, ?, ?, ?)",
    );
    this.#removeEntry = database.prepare(
      "DELETE FROM worktree_entry WHERE parent = ? AND name = ? AND user_id = ?",
    );
    this.#moveEntry = database.prepare(
      "UPDATE worktree_entry SET parent = ?, name = ? WHERE parent = ? AND name = ? AND user_id = ?",
    );
    this.#insertNode = database.prepare(
      `INSERT OR REPLACE INTO worktree_node (file_id, mode, uid, gid, nlink, atime, mtime, ctime, target, user_id)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#removeNode = database.prepare("DELETE FROM worktree_node WHERE file_id = ? AND user_id = ?");
    this.#removeXattrs = database.prepare("DELETE FROM worktree_xattr WHERE file_id = ? AND user_id = ?");
    // An overlay may have no row yet of a directory that it shares with the base, and none of that directory's links.
    this.#touch = database.prepare(
      `INSERT INTO worktree_node (file_id, user_id, mtime, ctime) VALUES (?, ?, ?, ?)
       ON CONFLICT (file_id, user_id) DO UPDATE SET mtime = excluded.mtime,
       ctime = max(coalesce(ctime, excluded.ctime), excluded.ctime), nlink = nlink + ?`,
    );
    this.#changeLinks = database.prepare(
      "UPDATE worktree_node SET nlink = nlink + ?, ctime = ? WHERE file_id = ? AND user_id = ?",
    );
    this.#setAttributes = database.prepare(
      `INSERT INTO worktree_node (file_id, mode, uid, gid, atime, mtime, ctime, user_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (file_id, user_id) DO UPDATE SET mode = coalesce(excluded.mode, mode), uid = coalesce(excluded.uid, uid),
       gid = coalesce(excluded.gid, gid), atime = coalesce(excluded.atime, atime), mtime = coalesce(excluded.mtime, mtime),
       ctime = coalesce(excluded.ctime, ctime)`,
    );
    this.#copyUp = database.prepare(
      `INSERT INTO worktree_node (file_id, user_id, mode, uid, gid, atime, ctime)
       SELECT file_id, ?, mode, uid, gid, atime, ctime FROM worktree_node WHERE file_id = ? AND user_id = ?
       ON CONFLICT (file_id, user_id) DO UPDATE SET mode = coalesce(mode, excluded.mode),
       uid = coalesce(uid, excluded.uid), gid = coalesce(gid, excluded.gid), atime = coalesce(atime, excluded.atime),
       ctime = coalesce(ctime, excluded.ctime)`,
    );
    this.#renumber = [
      "file_journal SET parent = ? WHERE parent",
      "worktree_entry SET parent = ? WHERE parent",
      "worktree_entry SET file_id = ? WHERE file_id",
      "worktree_node SET file_id = ? WHERE file_id",
    ].map((change) => database.prepare(`UPDATE ${change} = ? AND user_id = ?`));
    this.#target = database.prepare("SELECT target FROM worktree_node WHERE file_id = ? AND user_id = ?");
  }

  find(parent: FileId, name: string): LocalRow | undefined {
    return this.#byName.get(parent, name, this.#userId);
  }

  /** One of the entries of a node; a scratch file may have several. */
  findById(fileId: FileId): LocalRow | undefined {
    return this.#byId.get(fileId, this.#userId);
  }

  /** Entries of a directory with entry id greater than `after`, ascending, at most `limit`. */
  list(parent: FileId, after: number, limit: number): LocalRow[] {
    return this.#list.all(parent, this.#userId, after, limit);
  }

  /** Whether a directory holds anything of this layer, tracked or not. */
  hasChildren(directory: FileId): boolean {
    return this.#any.get(directory, this.#userId, directory, this.#userId)?.found === 1;
  }

  /** All names of a directory that this overlay has something at or hides. */
  namesIn(directory: FileId): Set<string> {
    const rows = this.#names.all(directory, this.#userId, directory, this.#userId);
    return new Set(rows.map(({ name }) => name));
  }

  /** Whether this overlay hides what the base has under a name. */
  hides(parent: FileId, name: string): boolean {
    return this.#hides.get(parent, this.#userId, name) !== undefined;
  }

  /** Hides what the base has under a name; answers whether it was seen before. */
  hide(parent: FileId, name: string): boolean {
    return this.#hide.run(parent, this.#userId, name).changes > 0;
  }

  /** Everything that this overlay hides, of every book. */
  hidden(): { parent: FileId; name: string }[] {
    return this.#hidden.all(this.#userId);
  }

  /** All directories of this layer, of every book. Reads the names of all layers. */
  directories(): FileId[] {
    return this.#directories.all(this.#userId).map(({ fileId }) => fileId);
  }

  /** Takes a whiteout away; answers whether there was one. */
  unhide(parent: FileId, name: string): boolean {
    return this.#unhide.run(parent, this.#userId, name).changes > 0;
  }

  /** A new node with its first name. */
  insert(parent: FileId, name: string, fileId: FileId, node: NewNode): void {
    const links = (node.mode & FileType.mask) === FileType.directory ? 2 : 1;
    this.#insertNode.run(
      fileId,
      node.mode,
      node.uid,
      node.gid,
      links,
      bind(node.atime),
      bind(node.mtime ?? node.ctime),
      bind(node.ctime),
      node.target ?? null,
      this.#userId,
    );
    this.#insertEntry.run(fileId, parent, name, fileId, this.#userId);
  }

  /** A directory that was shared with the base becomes this overlay's own: `directory` as it is seen, `links` its link count. */
  takeDirectory(entryId: number, directory: Node, links: number): void {
    const { fileId, mode, uid, gid, parent, name } = directory;
    const time = (seconds: number, nanoseconds: number): bigint => toNanoseconds({ seconds, nanoseconds });
    this.#insertNode.run(
      fileId,
      mode,
      uid,
      gid,
      links,
      time(directory.atimeSeconds, directory.atimeNanoseconds),
      time(directory.mtimeSeconds, directory.mtimeNanoseconds),
      time(directory.ctimeSeconds, directory.ctimeNanoseconds),
      null,
      this.#userId,
    );
    this.#insertEntry.run(entryId, parent, name, fileId, this.#userId);
  }

  /** A directory of this overlay's own that has the file id of one of the base's gets another, with all that is in it. */
  renumberDirectory(directory: FileId, own: FileId): void {
    for (const statement of this.#renumber) statement.run(own, directory, this.#userId);
  }

  /** Another name of a scratch file. */
  link(parent: FileId, name: string, fileId: FileId, time: Time): void {
    this.#insertEntry.run(newFileId(), parent, name, fileId, this.#userId);
    this.#changeLinks.run(1, bind(time), fileId, this.#userId);
  }

  /** Removes one name; returns whether the node went with it. */
  remove(row: LocalRow, time: Time): boolean {
    this.#removeEntry.run(row.parent, row.name, this.#userId);
    const isLast = (row.nlink ?? 1) <= 1 || ((row.mode ?? 0) & FileType.mask) === FileType.directory;
    if (isLast) this.forgetNode(row.fileId);
    else this.#changeLinks.run(-1, bind(time), row.fileId, this.#userId);
    return isLast;
  }

  /** Removes the only name of a node and the node, but not its extended attributes: it lives on as a file of the book. */
  detach(row: LocalRow): void {
    this.#removeEntry.run(row.parent, row.name, this.#userId);
    this.#removeNode.run(row.fileId, this.#userId);
  }

  /** Removes all local attributes of a file. */
  forgetNode(fileId: FileId): void {
    this.#removeNode.run(fileId, this.#userId);
    this.#removeXattrs.run(fileId, this.#userId);
  }

  move(row: LocalRow, parent: FileId, name: string): void {
    this.#moveEntry.run(parent, name, row.parent, row.name, this.#userId);
  }

  /** Notes that a directory's listing changed at `time`, and its link count by `links`. */
  touch(directory: FileId, time: Time, links = 0): void {
    const at = bind(time);
    this.#touch.run(directory, this.#userId, at, at, links);
  }

  /** Writes what is given; the rest stays. */
  setAttributes(fileId: FileId, change: LocalAttributes): void {
    this.#setAttributes.run(
      fileId,
      change.mode ?? null,
      change.uid ?? null,
      change.gid ?? null,
      bind(change.atime),
      bind(change.mtime),
      bind(change.ctime),
      this.#userId,
    );
  }

  /**
   * Writes the attributes of a tracked file that was just made, only where they differ from the defaults.
   */
  setInitial(
    fileId: FileId,
    attributes: { mode: number; uid: number; gid: number; atime?: Time | undefined },
    usualMode: number,
  ): void {
    const { mode, uid, gid, atime } = attributes;
    const { ownerUid, ownerGid } = this.#store;
    if (mode === usualMode && uid === ownerUid && gid === ownerGid && atime === undefined) return;
    this.setAttributes(fileId, atime === undefined ? { mode, uid, gid } : { mode, uid, gid, atime });
  }

  /** The base's attributes of a file become this overlay's, where it has none of its own. */
  copyUp(fileId: FileId): void {
    this.#copyUp.run(this.#userId, fileId, BASE);
  }

  target(fileId: FileId): Buffer | undefined {
    return this.#target.get(fileId, this.#userId)?.target ?? undefined;
  }
}

function bind(time: Time | undefined): bigint | null {
  return time === undefined ? null : toNanoseconds(time);
}
