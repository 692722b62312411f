/**
 * Owns mending names that are not the journal's (directories, scratch) and their attributes, one by one. Must never look at
 * where they are in the tree; tree.ts does.
 */
import { existsSync, renameSync } from "node:fs";
import { join } from "node:path";
import { BASE, type FileId, newFileId, type UserId } from "../../schema/ids.ts";
import { FileType } from "../node.ts";
import type { Store } from "../store.ts";
import { now, toNanoseconds } from "../time.ts";
import type { Tell } from "./mended.ts";

interface Name {
  readonly entry_id: number;
  readonly file_id: FileId;
  readonly user_id: UserId;
  readonly name: string;
}

export function repairNodes(store: Store, tell: Tell): void {
  store.transaction(() => {
    repairRoots(store, tell);
    repairNameless(store, tell);
    repairBadNames(store, tell);
    repairSharedIds(store, tell);
    repairTwice(store, tell);
  });
}

/** A new node, of the store's owner. */
export function insertNode(store: Store, fileId: FileId, userId: UserId, mode: number): void {
  const time = toNanoseconds(now());
  const isDirectory = (mode & FileType.mask) === FileType.directory;
  store.database
    .prepare(
      `INSERT OR REPLACE INTO worktree_node (file_id, user_id, mode, uid, gid, nlink, mtime, ctime)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(fileId, userId, mode, store.ownerUid, store.ownerGid, isDirectory ? 2 : 1, time, time);
}

/** A name of scratch that nothing else has. */
export function recoveredName(fileId: FileId): string {
  return `recovered-${fileId}.tmp`;
}

function repairRoots(store: Store, tell: Tell): void {
  const rows = store.database
    .prepare(
      `SELECT b.book_id, b.root_id FROM book b LEFT JOIN worktree_node w ON w.file_id = b.root_id AND w.user_id = '${BASE}'
       WHERE w.mode IS NULL`,
    )
    .all() as { book_id: string; root_id: FileId }[];
  for (const { book_id, root_id } of rows) {
    insertNode(store, root_id, BASE, FileType.directory | 0o755);
    tell("I1", book_id, `The root directory of the book ${book_id} has attributes again.`);
  }
}

/** Names that lead to nothing: what has something in it was a directory, what has bytes was a file, nothing else was anything. */
function repairNameless(store: Store, tell: Tell): void {
  const { database } = store;
  const rows = database
    .prepare(
      `SELECT e.entry_id, e.file_id, e.user_id, e.name FROM worktree_entry e
       LEFT JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id WHERE w.mode IS NULL`,
    )
    .all() as Name[];
  const hasChildren = database.prepare(
    `SELECT 1 FROM file_journal WHERE parent = :id UNION ALL SELECT 1 FROM worktree_entry WHERE parent = :id LIMIT 1`,
  );
  for (const { entry_id, file_id, user_id, name } of rows) {
    if (hasChildren.get({ id: file_id }) !== undefined) {
      insertNode(store, file_id, user_id, FileType.directory | 0o755);
      tell("I1", name, `The directory ${name} has attributes again.`);
    } else if (existsSync(join(store.directory, "scratch", String(file_id)))) {
      insertNode(store, file_id, user_id, FileType.file | 0o600);
      tell("I1", name, `The file ${name} has attributes again.`);
    } else {
      database.prepare("DELETE FROM worktree_entry WHERE entry_id = ?").run(entry_id);
      tell("I1", name, `The name ${name}, which led to nothing, was removed.`);
    }
  }
}

function repairBadNames(store: Store, tell: Tell): void {
  const rows = store.database
    .prepare(
      `SELECT entry_id, file_id, user_id, name FROM worktree_entry WHERE name IN ('', '.', '..') OR instr(name, '/') > 0
       OR instr(name, char(0)) > 0 OR length(CAST(name AS BLOB)) > 255`,
    )
    .all() as Name[];
  for (const { entry_id, file_id, name } of rows) {
    renameEntry(store, entry_id, recoveredName(file_id));
    tell(
      "I1",
      name,
      `What had the name ${JSON.stringify(name)}, which no file can have, is ${recoveredName(file_id)} now.`,
    );
  }
}

/** A name that has the file id of a file of the book gets one of its own. */
function repairSharedIds(store: Store, tell: Tell): void {
  const { database } = store;
  const rows = database
    .prepare(
      `SELECT e.entry_id, e.file_id, e.user_id, e.name FROM worktree_entry e
       JOIN file_journal j ON j.file_id = e.file_id AND j.user_id = e.user_id`,
    )
    .all() as Name[];
  for (const { entry_id, file_id, user_id, name } of rows) {
    const own = newFileId();
    const [from, to] = [file_id, own].map((id) => join(store.directory, "scratch", String(id))) as [
      string,
      string,
    ];
    database.prepare("UPDATE worktree_entry SET file_id = ? WHERE entry_id = ?").run(own, entry_id);
    insertNode(store, own, user_id, FileType.file | 0o600);
    if (existsSync(from)) renameSync(from, to);
    tell("I1", name, `${name}, which is not in the book, has a file id of its own again.`);
  }
}

/** A directory has one name: the one that it got first. */
function repairTwice(store: Store, tell: Tell): void {
  const rows = store.database
    .prepare(
      `DELETE FROM worktree_entry WHERE entry_id IN (SELECT e.entry_id FROM worktree_entry e
       JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id
       WHERE w.mode & ${FileType.mask} = ${FileType.directory} AND EXISTS (SELECT 1 FROM worktree_entry o
         WHERE o.file_id = e.file_id AND o.user_id = e.user_id AND o.entry_id < e.entry_id)) RETURNING name`,
    )
    .pluck()
    .all() as string[];
  for (const name of rows) tell("I1", name, `The second name of a directory, ${name}, was removed.`);
}

export function renameEntry({ database }: Store, entryId: number, name: string): void {
  database.prepare("UPDATE worktree_entry SET name = ? WHERE entry_id = ?").run(name, entryId);
}
