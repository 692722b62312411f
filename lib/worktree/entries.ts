/**
 * Owns the statements on what is this machine's alone: names that the journal does not hold (directories, scratch, fifos,
 * sockets) and local attributes. Must never touch the journal.
 */
import type { Statement } from "better-sqlite3";
import { type FileId, newFileId } from "../../schema/ids.ts";
import { FileType } from "../node.ts";
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
  readonly #byName: Statement<unknown[], LocalRow>;
  readonly #byId: Statement<unknown[], LocalRow>;
  readonly #list: Statement<unknown[], LocalRow>;
  readonly #any: Statement<unknown[], { found: number }>;
  readonly #insertEntry: Statement<unknown[]>;
  readonly #removeEntry: Statement<unknown[]>;
  readonly #moveEntry: Statement<unknown[]>;
  readonly #insertNode: Statement<unknown[]>;
  readonly #removeNode: Statement<unknown[]>;
  readonly #removeXattrs: Statement<unknown[]>;
  readonly #touch: Statement<unknown[]>;
  readonly #changeLinks: Statement<unknown[]>;
  readonly #setAttributes: Statement<unknown[]>;
  readonly #target: Statement<unknown[], { target: Buffer | null }>;

  constructor(store: Store) {
    this.#store = store;
    const { database } = store;
    this.#byName = database.prepare(`${SELECT_LOCAL} WHERE e.parent = +? AND e.name = +?`);
    this.#byId = database.prepare(`${SELECT_LOCAL} WHERE e.file_id = +? LIMIT 1`);
    this.#list = database.prepare(
      `${SELECT_LOCAL} WHERE e.parent = +? AND e.entry_id > +? ORDER BY e.entry_id LIMIT ?`,
    );
    this.#any = database.prepare(
      `SELECT EXISTS (SELECT 1 FROM worktree_entry WHERE parent = ?) OR
       EXISTS (SELECT 1 FROM file_journal WHERE parent = ?) AS found`,
    );
    this.#insertEntry = database.prepare(
      "INSERT INTO worktree_entry (entry_id, parent, name, file_id) VALUES (?, ?, ?, ?)",
    );
    this.#removeEntry = database.prepare("DELETE FROM worktree_entry WHERE parent = ? AND name = ?");
    this.#moveEntry = database.prepare(
      "UPDATE worktree_entry SET parent = ?, name = ? WHERE parent = ? AND name = ?",
    );
    this.#insertNode = database.prepare(
      `INSERT INTO worktree_node (file_id, mode, uid, gid, nlink, atime, mtime, ctime, target)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    this.#removeNode = database.prepare("DELETE FROM worktree_node WHERE file_id = ?");
    this.#removeXattrs = database.prepare("DELETE FROM worktree_xattr WHERE file_id = ?");
    this.#touch = database.prepare(
      "UPDATE worktree_node SET mtime = ?, ctime = max(ctime, ?), nlink = nlink + ? WHERE file_id = ?",
    );
    this.#changeLinks = database.prepare(
      "UPDATE worktree_node SET nlink = nlink + ?, ctime = ? WHERE file_id = ?",
    );
    this.#setAttributes = database.prepare(
      `INSERT INTO worktree_node (file_id, mode, uid, gid, atime, mtime, ctime) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (file_id) DO UPDATE SET mode = coalesce(excluded.mode, mode), uid = coalesce(excluded.uid, uid),
       gid = coalesce(excluded.gid, gid), atime = coalesce(excluded.atime, atime), mtime = coalesce(excluded.mtime, mtime),
       ctime = coalesce(excluded.ctime, ctime)`,
    );
    this.#target = database.prepare("SELECT target FROM worktree_node WHERE file_id = ?");
  }

  find(parent: FileId, name: string): LocalRow | undefined {
    return this.#byName.get(parent, name);
  }

  /** One of the entries of a node; a scratch file may have several. */
  findById(fileId: FileId): LocalRow | undefined {
    return this.#byId.get(fileId);
  }

  /** Entries of a directory with entry id greater than `after`, ascending, at most `limit`. */
  list(parent: FileId, after: number, limit: number): LocalRow[] {
    return this.#list.all(parent, after, limit);
  }

  /** Whether a directory holds anything, tracked or not. */
  hasChildren(directory: FileId): boolean {
    return this.#any.get(directory, directory)?.found === 1;
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
    );
    this.#insertEntry.run(fileId, parent, name, fileId);
  }

  /** Another name of a scratch file. */
  link(parent: FileId, name: string, fileId: FileId, time: Time): void {
    this.#insertEntry.run(newFileId(), parent, name, fileId);
    this.#changeLinks.run(1, bind(time), fileId);
  }

  /** Removes one name; returns whether the node went with it. */
  remove(row: LocalRow, time: Time): boolean {
    this.#removeEntry.run(row.parent, row.name);
    const isLast = (row.nlink ?? 1) <= 1 || ((row.mode ?? 0) & FileType.mask) === FileType.directory;
    if (isLast) this.forgetNode(row.fileId);
    else this.#changeLinks.run(-1, bind(time), row.fileId);
    return isLast;
  }

  /** Removes the only name of a node and the node, but not its extended attributes: it lives on as a file of the book. */
  detach(row: LocalRow): void {
    this.#removeEntry.run(row.parent, row.name);
    this.#removeNode.run(row.fileId);
  }

  /** Removes all local attributes of a file. */
  forgetNode(fileId: FileId): void {
    this.#removeNode.run(fileId);
    this.#removeXattrs.run(fileId);
  }

  move(row: LocalRow, parent: FileId, name: string): void {
    this.#moveEntry.run(parent, name, row.parent, row.name);
  }

  /** Notes that a directory's listing changed at `time`, and its link count by `links`. */
  touch(directory: FileId, time: Time, links = 0): void {
    const at = bind(time);
    this.#touch.run(at, at, links, directory);
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

  target(fileId: FileId): Buffer | undefined {
    return this.#target.get(fileId)?.target ?? undefined;
  }
}

function bind(time: Time | undefined): bigint | null {
  return time === undefined ? null : toNanoseconds(time);
}
