/** Owns what SQLite's error codes tell, for whoever has the error only. Must never load SQLite. Source: better-sqlite3, sqlite3.h */

/** Whether it says that its file is damaged, or none of its own. */
export function tellsCorruption(error: unknown): boolean {
  const code = (error as { code?: unknown } | null)?.code;
  return code === "SQLITE_NOTADB" || (typeof code === "string" && code.startsWith("SQLITE_CORRUPT"));
}
