/**
 * Owns checking the tree that programs see (I1): every name leads to a node, every directory to the root, every file of the
 * journal is in the directory that its path says, and no bytes of scratch lie about. Must never look at the log.
 */
import { lstat, opendir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { Database } from "better-sqlite3";
import { BASE } from "../../schema/ids.ts";
import type { StoreReader } from "../reader.ts";
import type { Check } from "./check.ts";

/** A question whose answers are all damages: each row has a subject and a sentence. */
interface Question {
  readonly severity: "error" | "warning";
  readonly sql: string;
  readonly hint: string;
}

const REMAKE = "Export the book, and import it into a new one; bytes and log are not concerned.";
const IGNORE = "Nothing is lost; it goes by itself, or stays without harm.";
/** Of a node `w`: it is a directory. */
export const DIRECTORY = "w.mode & 61440 = 16384";
/** Of a directory `d`: its path with what a name in it is appended to. */
export const WHOLE_PATH = "CASE d.path WHEN '' THEN '' ELSE d.path || '/' END";

/** Of a vacancy `v`: no file waits there. */
export const VACANCY_OF_NOTHING = `EXISTS (SELECT 1 FROM file_journal j
  WHERE j.book_id = v.book_id AND j.path = v.path AND j.user_id = v.user_id AND j.parent IS NOT NULL)
  OR NOT EXISTS (SELECT 1 FROM file_journal j WHERE j.book_id = v.book_id AND j.path = v.path AND j.user_id = v.user_id)
  AND NOT EXISTS (SELECT 1 FROM file_journal b
    WHERE b.book_id = v.book_id AND b.path = v.path AND b.user_id = '${BASE}' AND v.user_id <> '${BASE}')`;

/** Of a row of attributes: the file is not there. */
export function ofNobody(row: string): string {
  return `${row}.file_id NOT IN (SELECT root_id FROM book)
    AND NOT EXISTS (SELECT 1 FROM worktree_entry e WHERE e.file_id = ${row}.file_id AND e.user_id IN (${row}.user_id, '${BASE}'))
    AND NOT EXISTS (SELECT 1 FROM file_journal j WHERE j.file_id = ${row}.file_id AND j.user_id IN (${row}.user_id, '${BASE}'))`;
}

/** Rows `j` of the journal that are not in the directory that their path says. After {@link collectDirectories}. */
export const MISPLACED = `FROM file_journal j LEFT JOIN temp.tree_directory o ON o.file_id = j.parent AND o.user_id = j.user_id
  LEFT JOIN temp.tree_directory d ON d.file_id = j.parent AND d.book_id = j.book_id
  AND d.user_id = coalesce(o.user_id, '${BASE}')
  WHERE j.parent IS NOT NULL AND (d.file_id IS NULL
  OR substr(j.path, 1, length(${WHOLE_PATH})) <> ${WHOLE_PATH} OR length(j.path) <= length(${WHOLE_PATH})
  OR instr(substr(j.path, length(${WHOLE_PATH}) + 1), '/') > 0)`;

const questions: readonly Question[] = [
  {
    severity: "error",
    hint: REMAKE,
    sql: `SELECT b.book_id AS subject, 'The root directory of the book ' || b.book_id || ' has no attributes.' AS message
      FROM book b LEFT JOIN worktree_node w ON w.file_id = b.root_id
      AND w.user_id = '${BASE}' WHERE w.mode IS NULL`,
  },
  {
    severity: "error",
    hint: "Make the name again in the mounted book.",
    sql: `SELECT e.name AS subject, 'The name ' || e.name || ' leads to nothing: there is no node ' || e.file_id || '.'
      AS message FROM worktree_entry e LEFT JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id
      WHERE w.mode IS NULL`,
  },
  {
    severity: "error",
    hint: REMAKE,
    sql: `SELECT e.name AS subject, 'The name ' || e.name || ' is in no directory of a book.' AS message
      FROM worktree_entry e WHERE NOT EXISTS (SELECT 1 FROM temp.tree_directory d WHERE d.file_id = e.parent AND d.user_id IN (e.user_id, '${BASE}'))`,
  },
  {
    severity: "error",
    hint: REMAKE,
    sql: `SELECT min(e.name) AS subject, 'The directory ' || min(e.name) || ' has ' || count(*) || ' names.' AS message
      FROM worktree_entry e JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id WHERE ${DIRECTORY}
      GROUP BY e.file_id, e.user_id HAVING count(*) > 1`,
  },
  {
    severity: "error",
    hint: REMAKE,
    sql: `SELECT e.name AS subject, 'There is a name that no file can have: ' || quote(e.name) || '.' AS message
      FROM worktree_entry e WHERE e.name IN ('', '.', '..') OR instr(e.name, '/') > 0 OR instr(e.name, char(0)) > 0
      OR length(CAST(e.name AS BLOB)) > 255`,
  },
  {
    severity: "error",
    hint: REMAKE,
    sql: `SELECT j.path AS subject, j.path || ' (' || j.book_id || ') is not in the directory that its path says.' AS message
      ${MISPLACED}`,
  },
  {
    severity: "error",
    hint: "Rename one of the two in the mounted book.",
    sql: `SELECT j.path AS subject, j.path || ' (' || j.book_id || ') is both a file of the book and something else.'
      AS message FROM worktree_entry e JOIN temp.tree_directory d ON d.file_id = e.parent
      JOIN file_journal j ON j.book_id = d.book_id AND j.user_id = e.user_id AND j.path = ${WHOLE_PATH} || e.name
      WHERE j.parent = e.parent`,
  },
  {
    severity: "error",
    hint: "Import the file again, which makes it visible.",
    sql: `SELECT j.path AS subject, j.path || ' (' || j.book_id || ') is in the journal and cannot be seen in the book.'
      AS message FROM file_journal j LEFT JOIN vacancy v
      ON v.book_id = j.book_id AND v.path = j.path AND v.user_id = j.user_id WHERE j.parent IS NULL AND v.path IS NULL`,
  },
  {
    severity: "warning",
    hint: IGNORE,
    sql: `SELECT v.path AS subject, v.path || ' (' || v.book_id || ') waits to be deleted, although it is not there.'
      AS message FROM vacancy v WHERE ${VACANCY_OF_NOTHING}`,
  },
  {
    severity: "warning",
    hint: IGNORE,
    sql: `SELECT w.file_id AS subject, 'There are attributes of a file that is not there: ' || w.file_id || '.' AS message
      FROM worktree_node w WHERE ${ofNobody("w")}`,
  },
  {
    severity: "warning",
    hint: IGNORE,
    sql: `SELECT x.file_id AS subject, 'There are extended attributes of a file that is not there: ' || x.file_id || '.'
      AS message FROM worktree_xattr x WHERE ${ofNobody("x")}
      GROUP BY x.file_id`,
  },
  {
    severity: "warning",
    hint: "Programs that count links may look at it twice; nothing is lost.",
    sql: `SELECT d.path AS subject, 'The directory ' || quote(d.path) || ' (' || d.book_id || ') says it has ' ||
      coalesce(w.nlink, 'no') || ' links, and has ' || (2 + (${subdirectories()})) || '.' AS message
      FROM temp.tree_directory d JOIN worktree_node w ON w.file_id = d.file_id AND w.user_id = d.user_id
      WHERE w.nlink IS NOT 2 + (${subdirectories()})`,
  },
  {
    severity: "warning",
    hint: "Programs that count links may look at it twice; nothing is lost.",
    sql: `SELECT e.name AS subject, 'The file ' || e.name || ' says it has ' || coalesce(w.nlink, 'no') || ' links, and has '
      || count(*) || '.' AS message FROM worktree_entry e
      JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id
      WHERE NOT (${DIRECTORY}) GROUP BY e.file_id, e.user_id HAVING w.nlink IS NOT count(*)`,
  },
];

/** How many directories a directory `d` has in it. */
export function subdirectories(): string {
  return `SELECT count(*) FROM worktree_entry c JOIN worktree_node n ON n.file_id = c.file_id AND n.user_id = c.user_id
    WHERE c.parent = d.file_id AND c.user_id = d.user_id AND n.mode & 61440 = 16384`;
}

export async function checkWorktree(check: Check): Promise<void> {
  check.begin("tree", questions.length);
  collectDirectories(check.snapshot.database);
  for (const { severity, sql, hint } of questions) {
    const rows = check.snapshot.database.prepare<[], { subject: string | number; message: string }>(sql);
    for (const { subject, message } of rows.iterate())
      check.report({ rule: "I1", severity, subject: String(subject), message, hint });
    check.tick();
    await check.breathe();
  }
  await checkScratchFiles(check);
}

/**
 * The directories that can be reached from a book's root, with their paths, in a table of this connection alone. Of an
 * overlay those that it does not share with the base.
 */
export function collectDirectories(database: Database): void {
  database.exec(
    `CREATE TEMP TABLE tree_directory (file_id INTEGER NOT NULL, user_id TEXT NOT NULL, book_id TEXT NOT NULL,
     path TEXT NOT NULL, PRIMARY KEY (file_id, user_id)) WITHOUT ROWID`,
  );
  // A directory with two names could be its own ancestor: then the longest path there can be ends it.
  database.exec(`INSERT OR IGNORE INTO temp.tree_directory
    WITH RECURSIVE directory (file_id, book_id, path) AS (
      SELECT root_id, book_id, '' FROM book
      UNION ALL
      SELECT e.file_id, d.book_id, ${WHOLE_PATH} || e.name FROM directory d
      JOIN worktree_entry e ON e.parent = d.file_id AND e.user_id = '${BASE}'
      JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id
      WHERE ${DIRECTORY} AND length(d.path) < 4096
    ) SELECT file_id, '${BASE}', book_id, path FROM directory`);
  database.exec(`INSERT OR IGNORE INTO temp.tree_directory
    WITH RECURSIVE directory (file_id, user_id, book_id, path) AS (
      SELECT e.file_id, e.user_id, d.book_id, ${WHOLE_PATH} || e.name FROM temp.tree_directory d
      JOIN worktree_entry e ON e.parent = d.file_id AND e.user_id <> '${BASE}'
      JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id
      WHERE ${DIRECTORY} AND NOT EXISTS
        (SELECT 1 FROM worktree_entry p WHERE p.file_id = e.parent AND p.user_id = e.user_id)
      UNION ALL
      SELECT e.file_id, e.user_id, d.book_id, ${WHOLE_PATH} || e.name FROM directory d
      JOIN worktree_entry e ON e.parent = d.file_id AND e.user_id = d.user_id
      JOIN worktree_node w ON w.file_id = e.file_id AND w.user_id = e.user_id
      WHERE ${DIRECTORY} AND length(d.path) < 4096
    ) SELECT file_id, user_id, book_id, path FROM directory`);
}

async function checkScratchFiles(check: Check): Promise<void> {
  const folder = join(check.snapshot.directory, "scratch");
  const suspects: string[] = [];
  const isNamed = (reader: StoreReader, name: string) =>
    reader.database.prepare("SELECT 1 FROM worktree_entry WHERE file_id = ?").get(Number(name)) !== undefined;
  for await (const file of await opendir(folder)) {
    if (check.tick()) await check.breathe();
    if (!/^[0-9]+$/.test(file.name) || !isNamed(check.snapshot, file.name)) suspects.push(file.name);
  }
  if (suspects.length === 0) return;
  // One whose name came or went a moment ago is about to be right.
  await wait(SCRATCH_GRACE_MS);
  for (const name of suspects) {
    const path = join(folder, name);
    const isGone = await lstat(path).then(
      () => false,
      () => true,
    );
    if (isGone || (/^[0-9]+$/.test(name) && isNamed(check.live, name))) continue;
    check.report({
      rule: "orphan",
      severity: "warning",
      subject: path,
      message: `The file ${path} has bytes of scratch that has no name any more.`,
      hint: "It does no harm and may be removed.",
    });
  }
}

const SCRATCH_GRACE_MS = 200;
