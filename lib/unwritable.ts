/**
 * Owns how it is said that a store cannot be written. Also reading one needs that: SQLite keeps its locks beside the
 * database. Must never try to write.
 */
import { accessSync, constants } from "node:fs";
import { PfsError } from "../schema/errors.ts";

const REFUSED: ReadonlySet<string> = new Set(["EROFS", "EACCES", "EPERM"]);

/** The error to throw for one that opening the store in `directory` met; itself where writing is not the matter. */
export function asUnwritable(error: unknown, directory: string): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (typeof code !== "string") return error;
  const isSqlite = /^SQLITE_(?:CANTOPEN|READONLY|PERM)/.test(code);
  if (!isSqlite && !REFUSED.has(code)) return error;
  const why = isSqlite ? whyNotWritable(directory) : code;
  if (why === undefined) return error;
  const reason = why === "EROFS" ? "it is on a read-only file system" : "this user may not write it";
  return new PfsError("READ_ONLY", `The store ${directory} cannot be used: ${reason}.`, {
    hint: "Make it writable, or copy it to a place that is, and name that with --store.",
    cause: error,
  });
}

function whyNotWritable(directory: string): string | undefined {
  try {
    accessSync(directory, constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}
