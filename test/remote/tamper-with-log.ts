// Changes to the database of a directory's shared log, behind everyone's back. Must never leave a trace but the change itself.

import Sqlite from "better-sqlite3";

/** @param file the remote's log.db */
export function runInLog(file: string, sql: string): void {
  const database = new Sqlite(file);
  try {
    database.exec(sql);
  } finally {
    database.close();
  }
}

/** The same without the triggers and constraints that the tables have, which are there again afterwards. */
export function tamperWithLog(file: string, sql: string): void {
  const database = new Sqlite(file);
  try {
    database.pragma("ignore_check_constraints = ON");
    const triggers = database
      .prepare<unknown[], { name: string; sql: string }>(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'",
      )
      .all();
    for (const { name } of triggers) database.exec(`DROP TRIGGER ${name}`);
    database.exec(sql);
    for (const trigger of triggers) database.exec(trigger.sql);
  } finally {
    database.close();
  }
}
