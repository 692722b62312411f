/**
 * Owns making tables, indices and triggers anew that are missing or are not as pfs makes them. Must never touch a table that
 * has rows.
 */
import type { Database } from "better-sqlite3";
import type { Store } from "../store.ts";
import { expectedSchema, readSchema, type SchemaRow } from "../verify/database.ts";
import type { Tell } from "./mended.ts";

/** What nothing but a backup can bring back: an empty one would say that nothing ever happened, or that there is no book. */
const IRREPLACEABLE: ReadonlySet<string> = new Set([
  "audit_log",
  "book",
  "log_segment",
  "log_horizon",
  "moved_version",
  "moved_path",
]);

/** Tables and triggers; indices whose rows may be against their rule come last, by {@link repairIndices}. */
export function repairDatabase(store: Store, tell: Tell): void {
  const { database } = store;
  repairPages(database, tell);
  const expected = new Map(expectedSchema().map((row) => [row.name, row]));
  for (const row of readSchema(database)) {
    if (row.type !== "trigger" || expected.has(row.name)) continue;
    database.exec(`DROP TRIGGER ${quoted(row.name)}`);
    tell("database", row.name, `The trigger ${row.name}, which is not of pfs, was removed.`);
  }
  for (const row of expected.values())
    if (row.type === "table" && !IRREPLACEABLE.has(row.name)) replace(database, row, tell);
  repairIndices(store, tell);
  for (const row of expected.values()) if (row.type === "trigger") replace(database, row, tell);
}

/** Indices hold nothing that tables do not; pages that nothing uses hold nothing. */
function repairPages(database: Database, tell: Tell): void {
  const before = complaints(database);
  if (before.length === 0) return;
  attempt(() => database.exec("REINDEX"));
  const unused = complaints(database);
  if (unused.length > 0 && unused.every((text) => /: never used$/.test(text)))
    attempt(() => database.exec("VACUUM"));
  const after = complaints(database);
  if (after.length < before.length)
    tell(
      "database",
      "pfs.db",
      "The indices of the database, and the list of its free pages, were made anew.",
    );
}

/** One that cannot be made, as rows are against it, is left as it is. */
export function repairIndices({ database }: Store, tell: Tell): void {
  for (const row of expectedSchema()) if (row.type === "index") replace(database, row, tell);
}

/** Makes one that is missing; one that is another is replaced, unless it is a table. */
function replace(database: Database, { type, name, sql }: SchemaRow, tell: Tell): void {
  const found = readSchema(database).find((row) => row.name === name);
  if (found?.sql === sql || sql === null || (found !== undefined && type === "table")) return;
  const isDone = attempt(() =>
    database.transaction(() => {
      if (found !== undefined) database.exec(`DROP ${found.type} ${quoted(name)}`);
      database.exec(sql);
    })(),
  );
  if (isDone) tell("database", name, `The ${type} ${name} was made anew.`);
}

/** What SQLite finds wrong, line by line. */
function complaints(database: Database): string[] {
  const rows = database.pragma("integrity_check(100)") as { integrity_check: string }[];
  return rows
    .flatMap(({ integrity_check }) => integrity_check.split("\n"))
    .filter((line) => line !== "ok" && !line.startsWith("*** in database"));
}

/** Whether it went well; what stays is told by the check that follows. */
function attempt(change: () => void): boolean {
  try {
    change();
    return true;
  } catch (error) {
    if (String((error as { code?: unknown }).code).startsWith("SQLITE_")) return false;
    throw error;
  }
}

function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
