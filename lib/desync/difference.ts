/** Owns what is said of journal, log, bytes and remote where they do not agree, and what mends it. Must never look for any. */
import type { BookId } from "../../schema/ids.ts";
import type { Finding } from "../verify.ts";

/** What of a store is compared, and what of a remote. */
export const STORE_KINDS = ["log", "journal", "bytes"] as const;
export const REMOTE_KINDS = ["remote_log", "remote_bytes", "published"] as const;

/**
 * `log`: its rows against their hashes; `journal`: against the log; `bytes`: against the hash that they are named by;
 * `remote_log`: the shared log and journal, and the own rows in it; `remote_bytes`: of all versions; `published`: the copies.
 */
export type DifferenceKind = (typeof STORE_KINDS)[number] | (typeof REMOTE_KINDS)[number];

export interface Difference {
  /** Undefined: of no book in particular. */
  readonly book: BookId | undefined;
  readonly kind: DifferenceKind;
  /** A whole sentence. */
  readonly message: string;
}

/** What does about a difference, a whole sentence. */
export function mending({ book, kind }: Pick<Difference, "book" | "kind">): string {
  switch (kind) {
    case "log":
      return "`pfs verify` names the rows; compare the log with a backup, as nothing else can mend it.";
    case "journal":
    case "bytes":
      return "`pfs stop && pfs repair` mends what can be mended.";
    case "remote_log":
      return `\`pfs verify --remote ${book}\` names the rows; restore the remote from a backup, as nothing else can mend a log.`;
    case "remote_bytes":
      return `\`pfs repair --remote ${book} --rehash\` sends them again, from a machine that has them.`;
    case "published":
      return `\`pfs repair --remote ${book}\` publishes them again.`;
  }
}

/** Others were at work, or the machine had no room: that says nothing of the database. */
const SAYS_NOTHING = /^SQLITE_(BUSY|LOCKED|CANTOPEN|FULL|INTERRUPT|NOMEM|IOERR_NOMEM)/;

/** Whether an error is SQLite's about the database itself, which is damaged then. */
export function isUnreadable(error: unknown): error is Error {
  const { code } = error as { code?: unknown };
  return typeof code === "string" && code.startsWith("SQLITE_") && !SAYS_NOTHING.test(code);
}

/** What a finding of a remote's verification is; undefined: it is nothing that must be mended. */
export function ofRemote(book: BookId, { rule, severity, message }: Finding): Difference | undefined {
  if (severity !== "error") return undefined;
  const kind = rule === "published" ? "published" : rule === "R6" ? "remote_log" : "remote_bytes";
  return { book, kind, message };
}
