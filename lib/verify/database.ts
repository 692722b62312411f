/**
 * Owns checking SQLite itself: that its pages, indices and constraints are whole, and that tables and triggers are the ones
 * that this program made. Must never look at what rows mean.
 */
import Sqlite from "better-sqlite3";
import { parseProfile } from "../../schema/profiles.ts";
import { migrate } from "../migrations.ts";
import type { Check } from "./check.ts";

const RESTORE = "Stop pfs, keep a copy of the store, and restore it from a backup.";

/** One of them. */
export interface SchemaRow {
  /** `table`, `index` or `trigger`. */
  readonly type: string;
  readonly name: string;
  readonly sql: string | null;
}

export async function checkDatabase(check: Check): Promise<void> {
  check.begin("database", 0);
  await check.breathe();
  const { database } = check.snapshot;
  for (const { integrity_check: text } of database.pragma("integrity_check(100)") as {
    integrity_check: string;
  }[]) {
    if (text === "ok") continue;
    check.report({
      rule: "database",
      severity: "error",
      subject: "pfs.db",
      message: `SQLite finds the database damaged: ${text.replaceAll("\n", " ")}.`,
      hint: RESTORE,
    });
  }
  checkSchema(check);
  checkBooks(check);
}

function checkSchema(check: Check): void {
  const present = new Map(readSchema(check.snapshot.database).map((row) => [row.name, row]));
  for (const row of expectedSchema()) {
    const found = present.get(row.name);
    present.delete(row.name);
    if (found?.sql === row.sql) continue;
    const what = found === undefined ? "is missing from" : "is not as pfs made it in";
    reportSchema(check, row, `The ${row.type} ${row.name} ${what} the database.`, "error");
  }
  for (const row of present.values()) {
    const severity = row.type === "trigger" ? "error" : "warning";
    reportSchema(check, row, `The ${row.type} ${row.name} in the database is not of pfs.`, severity);
  }
}

let expected: readonly SchemaRow[] | undefined;

/** What this program makes. */
export function expectedSchema(): readonly SchemaRow[] {
  if (expected !== undefined) return expected;
  const reference = new Sqlite(":memory:");
  try {
    migrate(reference, ":memory:");
    expected = readSchema(reference);
    return expected;
  } finally {
    reference.close();
  }
}

/** The tables, indices and triggers of a database. */
export function readSchema(database: Sqlite.Database): SchemaRow[] {
  return database
    .prepare<[], SchemaRow>(
      "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'",
    )
    .all();
}

function reportSchema(check: Check, row: SchemaRow, message: string, severity: "error" | "warning"): void {
  check.report({
    rule: "database",
    severity,
    subject: row.name,
    message,
    hint: "Somebody changed the database by hand: see what else is found here, and restore it from a backup.",
  });
}

function checkBooks(check: Check): void {
  const rows = check.snapshot.database.prepare("SELECT book_id, profile FROM book").all() as {
    book_id: string;
    profile: string;
  }[];
  for (const row of rows) {
    try {
      parseProfile(JSON.parse(row.profile));
    } catch (error) {
      check.report({
        rule: "database",
        severity: "error",
        subject: row.book_id,
        message: `The profile of the book ${row.book_id} cannot be read: ${(error as Error).message.replace(/\.$/, "")}.`,
        hint: RESTORE,
      });
    }
  }
}
