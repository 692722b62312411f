/**
 * Owns checking what a remote has of a book: its log, the bytes that rows name, the segments of this store's log, the
 * published copies. Must never change
 * anything; others may push meanwhile.
 */
import { PfsError } from "../../schema/errors.ts";
import { findRemote } from "../shared-rows.ts";
import { Check } from "../verify/check.ts";
import type { Finding, VerifyProgress } from "../verify.ts";
import { checkPublished } from "./check-published.ts";
import { checkRemoteBlobs } from "./check-remote-blobs.ts";
import { checkRemoteLog } from "./check-remote-log.ts";
import { checkSegments } from "./check-segments.ts";
import type { RehashSlice, RemoteCheckParts, RemoteDamage } from "./remote-check.ts";
import { SharedHistory } from "./shared-history.ts";

export interface RemoteVerifyOptions {
  /** Read every blob and hash it, or some of them. False (default): only see that each is there and has its size. */
  readonly rehash?: boolean | RehashSlice;
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Told of all findings, also of those that are too many to be returned. */
  readonly onFinding?: (finding: Finding) => void;
}

export interface RemoteVerified {
  /** Empty when all is well; what is wrong with the log first. */
  readonly findings: readonly Finding[];
  readonly damage: RemoteDamage;
  /** Where the next slice of bytes begins. */
  readonly rehashedTo: string;
}

/** @throws PfsError of the remote, where it cannot be asked; NOT_FOUND: it has no such book */
export async function verifyRemote(
  parts: RemoteCheckParts,
  { rehash = false, onProgress, onFinding }: RemoteVerifyOptions = {},
): Promise<RemoteVerified> {
  const check = new Check(parts.reader, parts.reader, onProgress, onFinding);
  const damage: RemoteDamage = { blobs: [], segments: [], names: new Set(), isLogSound: true };
  const history = new SharedHistory();
  try {
    const remote = findRemote(parts.reader.database, parts.bookId);
    const { pulledSeq, pulledHash } = remote ?? { pulledSeq: 0, pulledHash: null };
    const headSeq = await readJournal(parts, history, check);
    damage.isLogSound = headSeq !== undefined;
    const each = { parts, history, check, damage, headSeq: headSeq ?? 0, pulledSeq, pulledHash };
    if (headSeq !== undefined) await checkRemoteLog(each);
    const rehashedTo = await checkRemoteBlobs(each, rehash);
    await checkSegments(each);
    // Of a log that is damaged nobody knows what should be published.
    if (damage.isLogSound) await checkPublished(each);
    check.end();
    return { findings: check.findings, damage, rehashedTo };
  } finally {
    history.close();
  }
}

/** Position of the shared journal, whose files the history has then; undefined where it cannot be read. */
async function readJournal(
  { log, bookId }: RemoteCheckParts,
  history: SharedHistory,
  check: Check,
): Promise<number | undefined> {
  check.begin("shared journal", 0);
  try {
    const { head, pages } = await log.snapshot(bookId);
    for await (const page of pages) for (const file of page) history.addFile(file);
    return head.seq;
  } catch (error) {
    if (!(error instanceof PfsError && error.code === "STORE_DAMAGED")) throw error;
    const hint = "Restore the remote from a backup, or share the book on another one.";
    check.report({ rule: "R6", severity: "error", subject: bookId, message: error.message, hint });
    return undefined;
  }
}
