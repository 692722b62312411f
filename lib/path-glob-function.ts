/**
 * Owns how SQL asks for paths by a pattern, so that rows that do not fit never leave SQLite. Must never say what a pattern
 * means.
 */
import type { Database } from "better-sqlite3";
import { PathGlob } from "../schema/path-glob.ts";

const known = new WeakSet<Database>();

/** Lets a connection's statements call it. */
export function addPathGlob(database: Database): void {
  if (known.has(database)) return;
  known.add(database);
  // One statement asks about one pattern, row after row.
  let latest: PathGlob | undefined;
  database.function("path_glob", { deterministic: true }, (pattern: unknown, path: unknown) => {
    if (latest === undefined || latest.text !== pattern) latest = new PathGlob(String(pattern));
    return latest.matches(String(path)) ? 1 : 0;
  });
}

/** With more runs than that SQLite's own matching could take long. */
const MAX_RUNS = 4;

/**
 * A pattern for SQLite's GLOB that whatever fits `pattern` fits, too: asking it first is thirty times as quick. Its `*`
 * passes a `/`. Undefined when there is none that is quick.
 */
export function roughGlob(pattern: string): string | undefined {
  const rough = pattern
    .replaceAll(/\\(.)|\[!?\]?[^\]]*\]|\*\*\/|\*+/gsu, (token, escaped?: string) => {
      if (escaped !== undefined) return /[*?[]/.test(escaped) ? `[${escaped}]` : escaped;
      return token.startsWith("[") ? "?" : "*";
    })
    .replaceAll(/(?<!\[)\*(?:\*)+/g, "*");
  return rough.replaceAll("[*]", "").split("*").length - 1 > MAX_RUNS ? undefined : rough;
}
