/**
 * Owns that the tables of a shared log in a directory are those that its migrations make. Whoever may write the directory can put
 * a view that never ends in the place of a table, or a trigger behind it, and SQLite computes on the thread that asks. Must never
 * read anything else of such a database.
 */
import Sqlite from "better-sqlite3";
import { PfsError } from "../../schema/errors.ts";
import { readMigrations } from "../migrations.ts";

const directoryOfMigrations = new URL("../../schema/migrations/shared-directory/", import.meta.url);
const OBJECTS = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name LIMIT ?";

let migrations: ReturnType<typeof readMigrations> | undefined;
const objectsByVersion = new Map<number, readonly unknown[]>();

/** The numbered SQL files, in their order; they are read once. */
export function sharedMigrations(): ReturnType<typeof readMigrations> {
  migrations ??= readMigrations(directoryOfMigrations);
  return migrations;
}

export function newestSharedVersion(): number {
  return sharedMigrations().at(-1)?.version ?? 0;
}

/**
 * To be called where nobody else can change the tables before they are used: in a transaction.
 * @throws PfsError UNSUPPORTED_VERSION; STORE_DAMAGED: something else is among them
 */
export function refuseForeignTables(database: Sqlite.Database, file: string): void {
  const version = database.pragma("user_version", { simple: true }) as number;
  const newest = newestSharedVersion();
  if (version > newest) {
    throw new PfsError(
      "UNSUPPORTED_VERSION",
      `The shared log ${file} has schema version ${version}; this pfs knows up to ${newest}.`,
      { hint: "Upgrade pfs. The shared log was left as it is." },
    );
  }
  const wanted = objectsOf(version);
  // However many there are.
  const found = database.prepare(OBJECTS).all(wanted.length + 1);
  if (JSON.stringify(found) === JSON.stringify(wanted)) return;
  throw new PfsError("STORE_DAMAGED", `The tables of the shared log ${file} are not those that pfs makes.`, {
    hint: "Somebody has changed them, and none was read. Restore it from a backup, or share the book on another remote.",
  });
}

function objectsOf(version: number): readonly unknown[] {
  const known = objectsByVersion.get(version);
  if (known !== undefined) return known;
  const model = new Sqlite(":memory:");
  try {
    for (const migration of sharedMigrations()) if (migration.version <= version) model.exec(migration.sql);
    const objects = model.prepare(OBJECTS).all(-1);
    objectsByVersion.set(version, objects);
    return objects;
  } finally {
    model.close();
  }
}
