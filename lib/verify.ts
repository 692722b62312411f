/**
 * Owns checking a store (fsck): database, log, journal, blobs, worktree, each against the rules of the same names. Must
 * never change anything, nor hold a whole book in memory.
 */
import type { StoreReader } from "./reader.ts";

export type Rule = "R1" | "R2" | "R6" | "R7" | "B1" | "I1" | "orphan" | "database";

/** Something that is not as it must be. */
export interface Finding {
  /** The rule that is broken; `orphan`: something that nothing refers to; `database`: SQLite itself. */
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
}

/**
 * Checks the store as it is at this moment; its owner may go on working.
 * @returns what was found, errors of the database first; empty when all is well
 */
export async function verifyStore(reader: StoreReader, options: VerifyOptions = {}): Promise<Finding[]> {
  throw new Error(`${reader}${options}`);
}
