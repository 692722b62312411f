/**
 * Owns checking a store (fsck): database, log, journal, blobs, worktree, each against the rules of the same names. Must
 * never change anything, nor hold a whole book in memory.
 */
import type { StoreReader } from "./reader.ts";
import { checkBlobs } from "./verify/blobs.ts";
import { Check } from "./verify/check.ts";
import { checkDatabase } from "./verify/database.ts";
import { checkFileHistories } from "./verify/file-histories.ts";
import { checkHeads, type KeptHead } from "./verify/heads.ts";
import { checkJournal } from "./verify/journal.ts";
import { checkLogChain } from "./verify/log-chain.ts";
import { checkWorktree } from "./verify/worktree.ts";

export type Rule = "W2" | "R1" | "R2" | "R6" | "R7" | "B1" | "I1" | "orphan" | "database" | "published";

/** Something that is not as it must be. */
export interface Finding {
  /** The rule that is broken; `orphan`: something that nothing refers to; `database`: SQLite itself; `published`: a remote's copies. */
  readonly rule: Rule;
  /** A `warning` loses nothing and keeps nobody from working. */
  readonly severity: "error" | "warning";
  /** The path, hash, row or file that it is about. */
  readonly subject: string;
  /** One sentence. */
  readonly message: string;
  /** One sentence: what to do. */
  readonly hint: string;
}

export interface VerifyProgress {
  /** A few words: what is being checked. */
  readonly step: string;
  readonly done: number;
  readonly total: number;
}

export interface VerifyOptions {
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Read every blob and hash it (default). False: only see that each is there and has its size. */
  readonly rehash?: boolean;
  /** Heads that were signed earlier and kept elsewhere: the log must extend each. */
  readonly heads?: readonly KeptHead[];
}

/**
 * Checks the store as it is at this moment; its owner may go on working.
 * @returns what was found, the database's own damages first; empty when all is well
 * @throws PfsError STORE_DAMAGED when it cannot be opened at all
 */
export async function verifyStore(reader: StoreReader, options: VerifyOptions = {}): Promise<Finding[]> {
  const snapshot = reader.openSnapshot();
  try {
    const check = new Check(snapshot, reader, options.onProgress);
    await attempt(check, checkDatabase);
    await attempt(check, checkLogChain);
    await attempt(check, (each) => checkHeads(each, options.heads ?? []));
    await attempt(check, checkFileHistories);
    await attempt(check, checkJournal);
    await attempt(check, (each) => checkBlobs(each, options.rehash ?? true));
    await attempt(check, checkWorktree);
    check.end();
    return check.findings;
  } finally {
    snapshot.close();
  }
}

/** What is to be said of the log alone. */
export interface LogCheck {
  readonly status: "whole" | "broken";
  /** How many rows it has. */
  readonly rows: number;
  /** Of the last one. */
  readonly entry_hash: string;
  /** What is wrong, the first broken row before all others. */
  readonly findings: readonly Finding[];
}

/** Checks the log's chain, and that it extends the head that the store remembers. @throws as {@link verifyStore} */
export async function verifyLog(reader: StoreReader): Promise<LogCheck> {
  const snapshot = reader.openSnapshot();
  try {
    const check = new Check(snapshot, reader, undefined);
    await attempt(check, checkLogChain);
    await attempt(check, (each) => checkHeads(each, []));
    check.end();
    const { findings } = check;
    const { seq, entryHash } = snapshot.head();
    const status = findings.length === 0 ? "whole" : "broken";
    return { status, rows: seq, entry_hash: entryHash, findings };
  } finally {
    snapshot.close();
  }
}

/** A database may be too damaged for one check and good enough for the next. */
async function attempt(check: Check, run: (check: Check) => Promise<void>): Promise<void> {
  try {
    await run(check);
  } catch (error) {
    const code = (error as { code?: unknown }).code;
    if (typeof code !== "string" || !code.startsWith("SQLITE_")) throw error;
    check.report({
      rule: "database",
      severity: "error",
      subject: "pfs.db",
      message: `A check could not be finished, as the database cannot be read: ${(error as Error).message}.`,
      hint: "Stop pfs, keep a copy of the store, and restore it from a backup.",
    });
  }
}
