// Damages besides those that one statement does to the store of fillStore (damages.ts): each with what has to be there before, and
// the rules of what repair leaves. Must never look at what verify or repair say.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { mkdirSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import Sqlite from "better-sqlite3";
import { lastHeadFile } from "../../lib/last-head.ts";
import { moveBook } from "../../lib/sync/move-book.ts";
import { parseUserId } from "../../schema/ids.ts";
import { ALL, shareAll, withParts } from "./retention-fixture.ts";
import { alice, BOOK, placeOf, save, type TestStore, tamper } from "./test-store.ts";
import { LARGE } from "./verify-samples.ts";

export interface RareDamage {
  readonly what: string;
  /** Before the store is closed. */
  readonly prepare?: (store: TestStore) => Promise<void> | void;
  /** A statement, or what is done to the directory of a store that nobody has open. */
  readonly harm: string | ((directory: string) => void);
  /** Of what verify finds, and of what repair names and does not mend. */
  readonly rules: readonly string[];
  readonly left: readonly string[];
  /** Verify is given a head that somebody kept. */
  readonly isHeadKept?: true;
}

const LARGE_HASH = hash("sha256", LARGE);
const STRAY = "5".repeat(64);

function objectOf(directory: string): string {
  return join(directory, "objects", LARGE_HASH.slice(0, 2), LARGE_HASH);
}

function database(directory: string, sql: string): void {
  tamper({ directory } as TestStore, sql);
}

/** Versions of a file in two segments, most of them nowhere else. */
async function moveSome({ library, worktree }: TestStore): Promise<void> {
  const segments = new Map<string, Uint8Array>();
  for (const texts of [
    ["three", "four", "five"],
    ["six", "seven", "eight"],
  ]) {
    for (const text of texts) save(worktree, "a.md", text);
    shareAll(library, BOOK);
    await withParts(library, segments, (parts) => moveBook(parts, ALL), BOOK);
  }
  assert.equal(segments.size, 2);
}

function refuseSave({ worktree }: TestStore): void {
  const { parent, name } = placeOf(worktree, "a.md");
  const file = worktree.open(worktree.lookup(parent, name)!.fileId);
  file.write(0, Buffer.from("mine"), alice);
  const bytes = new Uint8Array(Buffer.from("theirs"));
  const content = { path: "a.md", hash: hash("sha256", bytes), sizeBytes: 6, content: { bytes } };
  worktree.write(content as Parameters<typeof worktree.write>[0], {}, alice);
  assert.throws(() => file.release(alice), { code: "CONFLICT" });
}

function saveOfBob({ library }: TestStore): void {
  save(library.worktree(BOOK, parseUserId("bob")), "a.md", "by bob");
}

export const rareDamages: readonly RareDamage[] = [
  {
    what: "I1: a directory with several names",
    harm: `INSERT INTO worktree_entry (parent, name, file_id, user_id)
      SELECT parent, 'second', file_id, user_id FROM worktree_entry WHERE name = 'chapter'`,
    rules: ["I1"],
    left: [],
  },
  {
    what: "I1: a vacancy of nothing",
    harm: "INSERT INTO vacancy (book_id, path, since, agent_id) SELECT book_id, 'a.md', 1, 'alice' FROM book",
    rules: ["I1"],
    left: [],
  },
  {
    what: "I1: a scratch file's wrong link count",
    harm: "UPDATE worktree_node SET nlink = 9 WHERE file_id = (SELECT file_id FROM worktree_entry WHERE name = '.b.md.swp')",
    rules: ["I1"],
    left: [],
  },
  {
    what: "I1: no valid file id",
    harm: "UPDATE file_journal SET file_id = -5 WHERE path = 'a.md'",
    rules: ["I1"],
    left: [],
  },
  {
    what: "I1: two paths with one file id",
    harm: `DROP INDEX file_journal_file_id;
      UPDATE file_journal SET file_id = (SELECT file_id FROM file_journal WHERE path = 'a.md') WHERE path = 'chapter/b.md'`,
    rules: ["I1", "database"],
    left: [],
  },
  {
    what: "I1: a file of the book and scratch with one file id",
    harm: "UPDATE worktree_entry SET file_id = (SELECT file_id FROM file_journal WHERE path = 'a.md') WHERE name = '.b.md.swp'",
    rules: ["I1", "orphan"],
    left: [],
  },
  {
    what: "R1: a file among the control files",
    harm: "UPDATE file_journal SET path = '.pfs/a.md' WHERE path = 'a.md'",
    rules: ["I1", "R1", "R6"],
    left: [],
  },
  {
    what: "R1: a symbolic link in a book that has none",
    harm: `UPDATE book SET profile = '{"name": "own", "patterns": ["*.md"]}';
      UPDATE file_journal SET mode = 40960 WHERE path = 'a.md'`,
    rules: ["R1", "R6"],
    left: ["R1"],
  },
  {
    what: "R2: bytes that are kept elsewhere than the journal says",
    harm: "UPDATE file_journal SET storage_backend = 'object' WHERE path = 'a.md'",
    rules: ["R2"],
    left: [],
  },
  {
    what: "R6: a refused row that changes something",
    harm: "UPDATE audit_log SET status = 'refused' WHERE seq = 2",
    rules: ["R6"],
    left: ["R6"],
  },
  {
    what: "R6: a user's row that is another",
    prepare: saveOfBob,
    harm: "UPDATE audit_log SET new_hash = prev_hash WHERE user_id = 'bob'",
    rules: ["R6"],
    left: ["R6"],
  },
  {
    what: "I1: another file id in the log",
    harm: "UPDATE audit_log SET file_id = file_id + 1 WHERE seq = 2",
    rules: ["I1", "R6"],
    left: ["I1", "R6"],
  },
  {
    what: "R6: the first row removed",
    harm: "DELETE FROM audit_log WHERE seq = 1",
    rules: ["I1", "R6", "orphan"],
    left: ["I1", "R6", "orphan"],
  },
  {
    what: "R6: several rows removed",
    harm: "DELETE FROM audit_log WHERE seq IN (3, 4)",
    rules: ["R6"],
    left: ["R6"],
  },
  {
    what: "R6: a row before the first",
    harm: "UPDATE audit_log SET seq = 0 WHERE seq = 1",
    rules: ["R6"],
    left: ["R6"],
  },
  {
    what: "R6: the last rows removed, which somebody kept the head of",
    harm: "DELETE FROM audit_log WHERE seq > (SELECT max(seq) - 2 FROM audit_log)",
    rules: ["R6"],
    left: ["R6"],
    isHeadKept: true,
  },
  {
    what: "B1: a large file that cannot be opened",
    harm: (directory) => {
      rmSync(objectOf(directory));
      symlinkSync(LARGE_HASH, objectOf(directory));
    },
    rules: ["B1"],
    left: ["B1"],
  },
  {
    what: "R2: a large file that cannot be read",
    harm: (directory) => {
      rmSync(objectOf(directory));
      mkdirSync(objectOf(directory));
      const { size } = statSync(objectOf(directory));
      database(directory, `UPDATE blob SET size = ${size} WHERE sha256 = '${LARGE_HASH}'`);
    },
    rules: ["R2"],
    left: ["R2"],
  },
  {
    what: "B1: a large file that is gone",
    harm: (directory) => rmSync(objectOf(directory)),
    rules: ["B1"],
    left: ["B1"],
  },
  {
    what: "R2: a large file that is cut short",
    harm: (directory) => writeFileSync(objectOf(directory), "short"),
    rules: ["R2"],
    left: ["R2"],
  },
  {
    what: "R2: a large file with other bytes",
    harm: (directory) => writeFileSync(objectOf(directory), Buffer.alloc(LARGE.length, "x")),
    rules: ["R2"],
    left: ["R2"],
  },
  {
    what: "R2: a version that only a segment names is gone",
    prepare: moveSome,
    harm: "DELETE FROM blob WHERE data = CAST('four' AS BLOB)",
    rules: ["R2"],
    left: ["R2"],
  },
  {
    what: "R2: a version that only a segment names has other bytes",
    prepare: moveSome,
    harm: "UPDATE blob SET data = CAST('fuor' AS BLOB) WHERE data = CAST('four' AS BLOB)",
    rules: ["R2"],
    left: ["R2"],
  },
  {
    what: "W2: what a conflict carried is gone",
    prepare: refuseSave,
    harm: "DELETE FROM blob WHERE sha256 IN (SELECT mine FROM conflict)",
    rules: ["W2"],
    left: ["W2"],
  },
  {
    what: "R6: a remembered head that is none",
    harm: (directory) => writeFileSync(lastHeadFile(directory), "{}\n"),
    rules: ["R6"],
    left: ["R6"],
  },
  {
    what: "R6: a remembered head that cannot be read",
    harm: (directory) => {
      rmSync(lastHeadFile(directory));
      mkdirSync(lastHeadFile(directory));
    },
    rules: ["R6"],
    left: ["R6"],
  },
  {
    what: "R6: the remembered row is another",
    harm: "UPDATE audit_log SET entry_hash = '0' WHERE seq = (SELECT max(seq) FROM audit_log)",
    rules: ["R6"],
    left: ["R6"],
  },
  {
    what: "R6: a damaged segment",
    prepare: moveSome,
    harm: "UPDATE log_segment_bytes SET bytes = zeroblob(40)",
    rules: ["R6"],
    left: ["R6"],
  },
  {
    what: "R6: a segment that is missing",
    prepare: moveSome,
    harm: "DELETE FROM log_segment_bytes",
    rules: ["R6"],
    left: ["R6"],
  },
  {
    what: "R6: a segment off the list",
    prepare: moveSome,
    harm: "DELETE FROM log_segment WHERE number = 1",
    rules: ["R6"],
    left: ["R6"],
  },
  {
    what: "database: a table that is another",
    harm: "ALTER TABLE blob_use ADD COLUMN more",
    rules: ["database"],
    left: ["database"],
  },
  {
    what: "database: a table that is gone",
    harm: "DROP TABLE blob_use",
    rules: ["database"],
    left: [],
  },
  {
    what: "database: an index that is another",
    harm: "DROP INDEX worktree_entry_parent; CREATE INDEX worktree_entry_parent ON worktree_entry (parent)",
    rules: ["database"],
    left: [],
  },
  {
    what: "database: an index of others",
    harm: "CREATE INDEX mine ON blob (size)",
    rules: ["database"],
    left: ["database"],
  },
  {
    what: "database: an index without rows",
    harm: (directory) => {
      const file = new Sqlite(join(directory, "pfs.db"));
      file.unsafeMode(true);
      file.pragma("writable_schema = ON");
      file.exec(`CREATE TABLE empty (a); CREATE INDEX other ON empty (a)`);
      file.exec(`UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM sqlite_schema WHERE name = 'other')
        WHERE name = 'whiteout_user'; DELETE FROM sqlite_schema WHERE name = 'other'`);
      file.close();
    },
    rules: ["database"],
    left: ["database"],
  },
  {
    what: "database: a table that a check asks is gone",
    harm: "DROP TABLE vacancy",
    rules: ["database"],
    left: [],
  },
  {
    what: "orphan: files of nobody in objects/ and scratch/",
    harm: (directory) => {
      mkdirSync(join(directory, "objects", "55"));
      for (const path of ["objects/readme", "objects/55/readme", `objects/55/${STRAY}`, "scratch/4294967299"])
        writeFileSync(join(directory, path), "lost");
    },
    rules: ["orphan"],
    left: ["orphan"],
  },
  {
    what: "orphan: more than need be named",
    harm: `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 250)
      INSERT INTO blob SELECT printf('%064d', i), 0, x'' FROM n`,
    rules: ["R2", "orphan"],
    left: [],
  },
];
