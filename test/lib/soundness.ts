// What must be true of a store between any two operations: the rules as queries, independent of the code that keeps them.
// Must never change the store.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";
import type { Library } from "../../lib/library.ts";
import { isDirectory, type Node } from "../../lib/node.ts";
import { rangeBelow } from "../../lib/past/past-view.ts";
import { pastViewOf } from "../../lib/past/past-view-of.ts";
import { listDirectory } from "../../lib/worktree/listing.ts";
import type { Tree } from "../../lib/worktree/tree.ts";
import { BASE, type FileId, type Seq } from "../../schema/ids.ts";
import { type LogRow, toldRow } from "../../schema/log-row.ts";

interface JournalRow {
  readonly book_id: string;
  readonly user_id: string;
  readonly path: string;
  readonly sha256: string;
  readonly size: number;
  readonly mode: number;
  readonly mtime: string;
  readonly file_id: number;
  readonly parent: number | null;
}

/** R2, R6, R7, B1, SC-002, FR-018, journal = replay of the log. */
export function assertSound(library: Library): void {
  const { database, directory } = library.store;
  const log = database.prepare("SELECT * FROM audit_log ORDER BY seq").all() as LogRow[];
  const journal = database
    .prepare(
      "SELECT book_id, user_id, path, sha256, size, mode, CAST(mtime AS TEXT) AS mtime, file_id, parent FROM file_journal",
    )
    .all() as JournalRow[];
  assertChain(log);
  assertPathChains(log);
  assertReplay(log, journal);
  assertBlobs(library, journal);
  assertWorktree(library);
  assertTold(library);
  assert.equal(library.log.seq, log.length, "the position in memory");
  assert.equal(library.log.head, log.at(-1)?.entry_hash ?? "0".repeat(64), "the head in memory");
  assert.ok(directory.length > 0);
}

/** FR-018: who looks at the log's end sees what each mount shows, of what does not wait and is saved. */
function assertTold(library: Library): void {
  const trees = library.openWorktrees().map(({ tree }) => tree);
  const isWaiting = (tree: Tree): boolean =>
    tree.vacancies.count > 0 ||
    tree.newborns.size > 0 ||
    [...tree.openFiles.values()].some(({ dirty }) => dirty);
  if (trees.some(isWaiting)) return;
  for (const tree of trees) {
    const user = tree.layer === BASE ? undefined : tree.layer;
    const past = pastViewOf(library.store.database, tree.book.bookId, user);
    const told = [...past.filesIn(rangeBelow(""), library.log.seq as Seq)].map(
      ({ path, sha256, fileId }) => `${path} ${sha256} ${fileId}`,
    );
    assert.deepEqual(told.sort(), shownIn(tree).sort(), `FR-018: what ${tree.layer} sees`);
  }
}

/** Path, hash and file id of all files that a tree shows and that have a version. */
export function shownIn(tree: Tree, directory: FileId = tree.book.rootId, prefix = ""): string[] {
  const children: [string, Node][] = [];
  listDirectory(tree, directory, 0, (name, node) => children.push([name, node]) > 0);
  return children.flatMap(([name, node]) => {
    if (isDirectory(node.mode)) return shownIn(tree, node.fileId, `${prefix}${name}/`);
    return node.tracked ? [`${prefix}${name} ${node.hash} ${node.fileId}`] : [];
  });
}

/** Nothing is open: no draft, no file descriptor, no name that is only in memory. */
export function assertAtRest(library: Library): void {
  const { directory } = library.store;
  assert.deepEqual(readdirSync(join(directory, "drafts")), [], "drafts");
  assert.deepEqual(openDescriptors(directory), [], "open descriptors");
  for (const { tree } of library.openWorktrees()) {
    assert.equal(tree.openFiles.size, 0, "open files");
    assert.equal(tree.newborns.size, 0, "newborns");
  }
}

/** Files of the store that this process has open, but for the database and the lock. */
function openDescriptors(directory: string): string[] {
  const open: string[] = [];
  for (const fd of readdirSync("/proc/self/fd")) {
    let target = "";
    try {
      target = readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      continue; // the descriptor of the listing itself
    }
    if (target.startsWith(`${directory}/`) && !/\/(pfs\.db(-wal|-shm)?|lock)$/.test(target))
      open.push(target);
  }
  return open;
}

/** R6 over all rows, by the words of DESIGN.md: canonical JSON is sorted keys, no white space; of a row as it is told. */
function assertChain(log: readonly LogRow[]): void {
  let head = "0".repeat(64);
  for (const [index, row] of log.entries()) {
    const { entry_hash, ...body } = toldRow(row);
    assert.equal(body.seq, index + 1, "R6: seq has no gap");
    const canonical = JSON.stringify(body, Object.keys(body).sort());
    head = createHash("sha256")
      .update(head + canonical)
      .digest("hex");
    assert.equal(entry_hash, head, `R6: entry_hash of row ${body.seq}`);
    assert.ok(body.agent_id !== "" && body.agent_id !== "system", "R7");
    if (index > 0)
      assert.ok(body.timestamp >= (log[index - 1]?.timestamp ?? ""), "time never runs backwards");
  }
}

function assertPathChains(log: readonly LogRow[]): void {
  const last = new Map<string, string | null>();
  for (const row of log) {
    const key = `${row.book_id} ${row.user_id} ${row.path}`;
    assert.equal(
      row.prev_hash,
      last.get(key) ?? null,
      `R6: prev_hash of row ${row.seq}, ${row.operation} ${row.path}`,
    );
    if (row.status === "refused")
      assert.equal(row.new_hash, row.prev_hash, "R6: refused rows change nothing");
    last.set(key, row.new_hash);
  }
}

function assertReplay(log: readonly LogRow[], journal: readonly JournalRow[]): void {
  const replayed = new Map<string, Omit<JournalRow, "parent">>();
  for (const row of log) {
    if (row.status !== "ok") continue;
    if (row.new_hash === null) {
      replayed.delete(`${row.book_id} ${row.user_id} ${row.path}`);
      continue;
    }
    const { book_id, user_id, path, new_hash: sha256, size, mode, mtime, file_id } = row;
    assert.ok(size !== null && mode !== null && mtime !== null && file_id !== null, "a row says all");
    replayed.set(`${book_id} ${user_id} ${path}`, {
      book_id,
      user_id,
      path,
      sha256,
      size,
      mode,
      mtime,
      file_id,
    });
  }
  const key = ({ book_id, user_id, path }: Omit<JournalRow, "parent">) => `${book_id} ${user_id} ${path}`;
  const byPath = (a: Omit<JournalRow, "parent">, b: Omit<JournalRow, "parent">) => (key(a) < key(b) ? -1 : 1);
  const actual = journal.map(({ parent: _, ...row }) => row);
  assert.deepEqual(actual.sort(byPath), [...replayed.values()].sort(byPath), "journal = replay of the log");
}

function assertBlobs({ store, log }: Library, journal: readonly JournalRow[]): void {
  const blobs = store.database.prepare("SELECT sha256, size, data FROM blob").all() as {
    sha256: string;
    size: number;
    data: Buffer | null;
  }[];
  const known = new Set<string>();
  for (const { sha256, size, data } of blobs) {
    const bytes = data ?? readFileSync(join(store.directory, "objects", sha256.slice(0, 2), sha256));
    assert.equal(createHash("sha256").update(bytes).digest("hex"), sha256, "R2: a blob hashes to its name");
    assert.equal(bytes.byteLength, size);
    known.add(sha256);
  }
  for (const row of journal) assert.ok(known.has(row.sha256), `R2: the bytes of ${row.path} are there`);
  const named = store.database.prepare(
    "SELECT new_hash FROM audit_log WHERE new_hash IS NOT NULL UNION SELECT mine FROM conflict",
  );
  const refused = store.database.prepare("SELECT mine FROM conflict WHERE ended IS NULL").pluck();
  for (const hash of refused.all()) assert.ok(known.has(hash as string), "W2: what was refused is there");
  const logged = new Set(named.pluck().all() as string[]);
  for (const hash of known)
    assert.ok(logged.has(hash), `SC-002: blob ${hash} is named by the log or refused`);
  const objects = readdirSync(join(store.directory, "objects"), { recursive: true, encoding: "utf8" });
  const files = objects.filter((name) => name.includes("/")).map((name) => name.slice(3));
  const large = blobs.filter(({ data }) => data === null).map(({ sha256 }) => sha256);
  assert.deepEqual(files.sort(), large.sort(), "SC-002: no orphaned object");
  assert.ok(log.seq >= 0);
}

function assertWorktree({ store }: Library): void {
  const all = (sql: string) => store.database.prepare(sql).pluck().all() as unknown[];
  const REGULAR = "(w.mode & 61440) = 32768";
  const named = all(
    `SELECT CAST(e.file_id AS TEXT) FROM worktree_entry e JOIN worktree_node w USING (file_id, user_id) WHERE ${REGULAR}`,
  );
  const stray = readdirSync(join(store.directory, "scratch")).filter((name) => !named.includes(name));
  assert.deepEqual(stray, [], "no bytes of scratch without a name");
  assert.deepEqual(
    all(
      `SELECT name FROM worktree_entry e WHERE NOT EXISTS (SELECT 1 FROM worktree_node w WHERE w.file_id = e.file_id AND w.user_id = e.user_id)`,
    ),
    [],
    "every entry has a node",
  );
  assert.deepEqual(
    all(`SELECT file_id FROM worktree_node w WHERE w.file_id NOT IN (SELECT file_id FROM worktree_entry)
      AND w.file_id NOT IN (SELECT file_id FROM file_journal WHERE parent IS NOT NULL)
      AND w.file_id NOT IN (SELECT root_id FROM book)`),
    [],
    "no attributes of what is not there",
  );
  assert.deepEqual(
    all(`SELECT file_id FROM worktree_xattr x WHERE x.file_id NOT IN (SELECT file_id FROM worktree_entry)
      AND x.file_id NOT IN (SELECT file_id FROM file_journal WHERE parent IS NOT NULL)
      AND x.file_id NOT IN (SELECT root_id FROM book)`),
    [],
    "no extended attributes of what is not there",
  );
  assert.deepEqual(
    all(`SELECT w.file_id FROM worktree_node w JOIN worktree_entry e USING (file_id, user_id)
      WHERE (w.mode & 61440) = 16384 AND w.nlink <> 2 + (SELECT count(*) FROM worktree_entry c
        JOIN worktree_node d USING (file_id, user_id)
        WHERE c.parent = w.file_id AND c.user_id = w.user_id AND (d.mode & 61440) = 16384)`),
    [],
    "link counts of directories",
  );
  assert.deepEqual(
    all(`SELECT w.file_id FROM worktree_node w WHERE w.file_id IN (SELECT file_id FROM worktree_entry)
      AND (w.mode & 61440) <> 16384 AND w.nlink <> (SELECT count(*) FROM worktree_entry e
        WHERE e.file_id = w.file_id AND e.user_id = w.user_id)`),
    [],
    "link counts of scratch",
  );
  assert.deepEqual(
    all(`SELECT path FROM file_journal j WHERE (j.parent IS NULL) <>
      EXISTS (SELECT 1 FROM vacancy v WHERE v.book_id = j.book_id AND v.path = j.path AND v.user_id = j.user_id)`),
    [],
    "a path without a directory is one that waits",
  );
}
