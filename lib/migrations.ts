/**
 * Owns the store's SQLite schema: numbered SQL files applied on open, each in a transaction of its own. Must never
 * touch a database of a version it does not know.
 */
import { readdirSync, readFileSync } from "node:fs";
import type { Database } from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";

/** Marks the file as ours in SQLite's header (`PRAGMA application_id`): "pfs1". */
export const APPLICATION_ID = 0x70667331;

const directory = new URL("../schema/migrations/", import.meta.url);
const fileName = /^(\d{4})-[a-z0-9-]+\.sql$/;

interface Migration {
  readonly version: number;
  readonly sql: string;
}

/** The numbered SQL files in a directory, in their order. */
export function readMigrations(folder: URL): Migration[] {
  const migrations: Migration[] = [];
  for (const name of readdirSync(folder).sort()) {
    const match = fileName.exec(name);
    if (match === null) continue;
    migrations.push({ version: Number(match[1]), sql: readFileSync(new URL(name, folder), "utf8") });
  }
  return migrations;
}

let own: readonly Migration[] | undefined;

/** Read once: whoever opens a store asks more than once. */
function ownMigrations(): readonly Migration[] {
  own ??= readMigrations(directory);
  return own;
}

/** The newest schema version that this program knows. */
export function newestVersion(): number {
  return ownMigrations().at(-1)?.version ?? 0;
}

/** The refusal of a database that a newer pfs has made. */
export function tooNew(file: string, present: number): PfsError {
  return new PfsError(
    "UNSUPPORTED_VERSION",
    `The store ${file} has schema version ${present}; this pfs knows up to ${newestVersion()}.`,
    { hint: "Upgrade pfs. The store was left as it is." },
  );
}

/**
 * Brings the database to the newest version that this program knows.
 * @throws PfsError UNSUPPORTED_VERSION for a newer one
 */
export function migrate(database: Database, file: string): void {
  const newest = newestVersion();
  const present = database.pragma("user_version", { simple: true }) as number;
  if (present > newest) throw tooNew(file, present);
  for (const { version, sql } of ownMigrations()) {
    if (version <= present) continue;
    database.transaction(() => {
      database.exec(sql);
      database.pragma(`application_id = ${APPLICATION_ID}`);
      database.pragma(`user_version = ${version}`);
    })();
  }
}

/** All tables of the newest version. */
export const STORE_TABLES: readonly string[] = [
  ...["audit_log", "blob", "blob_use", "book", "conflict", "file_journal", "left_remote", "left_remote_blob"],
  ...["log_horizon", "log_segment", "log_segment_bytes", "manifest_position", "moved_path", "moved_version"],
  ...["remote", "remote_blob", "shared_row", "untold_book", "vacancy", "whiteout"],
  ...["worktree_entry", "worktree_node", "worktree_xattr"],
];

/** Before anybody works on it: else the first one who needs a table that is not there would be told. @throws SqliteError */
export function refuseMissingTables(database: Database): void {
  const missing = database
    .prepare<[string], string>(
      `SELECT value FROM json_each(?) WHERE value NOT IN (SELECT name FROM sqlite_schema WHERE type = 'table')`,
    )
    .pluck()
    .get(JSON.stringify(STORE_TABLES));
  // In the words that whoever uses it is told.
  if (missing !== undefined) database.prepare(`SELECT 1 FROM ${missing}`).get();
}
