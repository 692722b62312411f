/**
 * Owns checking the log file by file: that each row begins where the one before ended (R6), that a file keeps its identity
 * (I1), and that the journal is what the log ends with. Must never look at the chain over all rows.
 */
import type { Database, Statement } from "better-sqlite3";
import { BASE } from "../../schema/ids.ts";
import type { LogOperation, LogRow } from "../../schema/log-row.ts";
import { type Check, countRows } from "./check.ts";
import { WholeLog } from "./whole-log.ts";

const COLUMN_NAMES = [
  "seq",
  "book_id",
  "path",
  "user_id",
  "operation",
  "status",
  "prev_hash",
  "new_hash",
  "file_id",
  "size",
  "mode",
  "mtime",
] as const;
const COLUMNS = COLUMN_NAMES.join(", ");

type HistoryRow = Pick<LogRow, (typeof COLUMN_NAMES)[number]>;

/** What the log says of a path so far. */
interface State {
  readonly book_id: string;
  readonly path: string;
  readonly user_id: string;
  seq: number;
  sha256: string | null;
  file_id: number | null;
  size: number | null;
  mode: number | null;
  mtime: string | null;
}

interface JournalState {
  readonly sha256: string;
  readonly file_id: number;
  readonly size: number;
  readonly mode: number;
  readonly mtime: string;
}

/** What a later row says of the same file, not of another that came to its path. */
const keepsIdentity: ReadonlySet<LogOperation> = new Set(["update", "attributes", "delete"]);
const LOOK = "Look at `pfs log` of that path, and compare the store with a backup.";

export async function checkFileHistories(check: Check): Promise<void> {
  check.begin("histories", countRows(check.snapshot, "audit_log"));
  const { database } = check.snapshot;
  const log = new WholeLog(check.snapshot);
  const hasMoved = putMovedRows(database, log);
  const moved = hasMoved ? `UNION ALL SELECT ${COLUMNS} FROM temp.moved_row` : "";
  const rows = database.prepare<[], HistoryRow>(
    `SELECT ${COLUMNS} FROM audit_log ${moved} ORDER BY book_id, path, user_id, seq`,
  );
  const compare = journalComparer(check);
  let state: State | undefined;
  for (const row of rows.iterate()) {
    if (check.tick()) await check.breathe();
    if (state?.book_id !== row.book_id || state.path !== row.path || state.user_id !== row.user_id) {
      if (state !== undefined) compare(state);
      const { book_id, path, user_id } = row;
      state = {
        book_id,
        path,
        user_id,
        seq: 0,
        sha256: null,
        file_id: null,
        size: null,
        mode: null,
        mtime: null,
      };
    }
    checkRow(check, row, state, log.hidesBetween(state.seq, row.seq, row.book_id));
    advance(state, row);
  }
  if (state !== undefined) compare(state);
  checkUnlogged(check);
}

/** Rows that are in segments only, where SQLite sorts them among the others, in a table of this connection. @returns whether there are any */
function putMovedRows(database: Database, log: WholeLog): boolean {
  let insert: Statement<unknown[]> | undefined;
  for (const row of log.movedRows()) {
    if (insert === undefined) {
      database.exec(`DROP TABLE IF EXISTS temp.moved_row; CREATE TEMP TABLE moved_row (${COLUMNS})`);
      insert = database.prepare(
        `INSERT INTO temp.moved_row (${COLUMNS}) VALUES (${COLUMN_NAMES.map(() => "?")})`,
      );
    }
    insert.run(COLUMN_NAMES.map((name) => row[name]));
  }
  return insert !== undefined;
}

/** @param isAfterHidden rows of the path may lie before it that cannot be read */
function checkRow(check: Check, row: HistoryRow, state: State, isAfterHidden: boolean): void {
  const at = `Row ${row.seq} of the log`;
  if (row.prev_hash !== state.sha256 && !isAfterHidden) {
    const before =
      state.seq === 0
        ? "there is no row of that path before"
        : `row ${state.seq} left it ${say(state.sha256)}`;
    report(check, "R6", row, `${at} says that ${label(row)} was ${say(row.prev_hash)}, but ${before}.`);
  }
  if (row.status === "refused" && row.prev_hash !== row.new_hash)
    report(check, "R6", row, `${at} was refused, and yet changes ${label(row)}.`);
  if (
    row.status === "ok" &&
    keepsIdentity.has(row.operation) &&
    row.file_id !== state.file_id &&
    !isAfterHidden
  )
    report(
      check,
      "I1",
      row,
      `${at} gives ${label(row)} another file id than it had: ${row.file_id}, not ${state.file_id}.`,
    );
}

function advance(state: State, row: HistoryRow): void {
  state.seq = row.seq;
  if (row.status !== "ok") return;
  state.sha256 = row.new_hash;
  if (row.new_hash === null) {
    state.file_id = state.size = state.mode = state.mtime = null;
    return;
  }
  state.file_id = row.file_id ?? state.file_id;
  state.size = row.size ?? state.size;
  state.mode = row.mode ?? state.mode;
  state.mtime = row.mtime ?? state.mtime;
}

/** Compares the log's end with the journal. */
function journalComparer(check: Check): (state: State) => void {
  const select = check.snapshot.database.prepare<unknown[], JournalState>(
    `SELECT sha256, file_id, size, mode, CAST(mtime AS TEXT) AS mtime FROM file_journal
     WHERE book_id = ? AND path = ? AND user_id = ?`,
  );
  return (state) => {
    const journal = select.get(state.book_id, state.path, state.user_id);
    const what = label(state);
    if ((journal?.sha256 ?? null) !== state.sha256) {
      const message = `The journal has ${what} ${say(journal?.sha256 ?? null)}, but row ${state.seq} of the log left it ${say(state.sha256)}.`;
      report(check, "R6", state, message);
    } else if (journal !== undefined) {
      for (const field of ["size", "mode", "mtime"] as const) {
        if (String(journal[field]) === String(state[field])) continue;
        const message = `The journal gives ${what} the ${field} ${journal[field]}, the log ${state[field]}.`;
        report(check, "R6", state, message);
      }
      if (journal.file_id !== state.file_id) {
        const message = `The journal gives ${what} the file id ${journal.file_id}, the log ${state.file_id}.`;
        report(check, "I1", state, message);
      }
    }
  };
}

function checkUnlogged(check: Check): void {
  const rows = check.snapshot.database.prepare<[], Pick<HistoryRow, "book_id" | "path" | "user_id">>(
    `SELECT book_id, path, user_id FROM file_journal j WHERE NOT EXISTS (SELECT 1 FROM audit_log l
     WHERE l.book_id = j.book_id AND l.path = j.path AND l.user_id = j.user_id)`,
  );
  for (const row of rows.iterate()) {
    report(check, "R6", row, `The journal has ${label(row)}, of which the log knows nothing.`);
  }
}

function report(check: Check, rule: "R6" | "I1", row: { readonly path: string }, message: string): void {
  check.report({ rule, severity: "error", subject: row.path, message, hint: LOOK });
}

function label(row: { readonly book_id: string; readonly path: string; readonly user_id: string }): string {
  return `${row.path} (${row.book_id}${row.user_id === BASE ? "" : `, user ${row.user_id}`})`;
}

function say(sha256: string | null): string {
  return sha256 === null ? "absent" : `at ${sha256.slice(0, 12)}`;
}
