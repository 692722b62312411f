/**
 * Owns what all checks of a remote share: one book there, what its log says, where findings go, what could be mended. Must
 * never know a rule, nor change anything.
 */
import type { BlobHash, BookId } from "../../schema/ids.ts";
import type { Pace } from "../pace.ts";
import type { StoreReader } from "../reader.ts";
import type { RemoteBlobs } from "../remote/remote-blobs.ts";
import type { RemoteLog } from "../remote/remote-log.ts";
import type { Segment } from "../retention/segment.ts";
import type { Check } from "../verify/check.ts";
import type { BadVersion, SharedHistory } from "./shared-history.ts";

export interface RemoteCheckParts {
  readonly bookId: BookId;
  /** What this store is known by. */
  readonly storeId: string;
  readonly log: Pick<RemoteLog, "snapshot" | "rowsAfter" | "readClaim">;
  readonly blobs: Pick<RemoteBlobs, "list" | "get" | "listPublished" | "findPublished" | "getSegment">;
  /** From beside the owner. */
  readonly reader: StoreReader;
  readonly pageRows?: number;
  readonly signal?: AbortSignal | undefined;
  /** How fast it may go; by default as fast as it can. */
  readonly pace?: Pick<Pace, "spend">;
}

/** Some of a remote's bytes: what a check that comes again and again reads of them each time. */
export interface RehashSlice {
  /** What was wrong the last time is read first. */
  readonly first: readonly BlobHash[];
  /** The others behind this hash; "": from the beginning. */
  readonly after: string;
  /** After so many it ends. */
  readonly maxBytes: number;
}

/** What of a remote is not as it should be, for whoever repairs it. */
export interface RemoteDamage {
  /** Bytes that are missing, or are others. */
  readonly blobs: BadVersion[];
  /** Of this store's log, which are missing there or damaged. */
  readonly segments: Segment[];
  /** Names below `books/` that do not hold what the log says. */
  readonly names: Set<string>;
  /** Whether the log can be believed: what it does not name may only go if so. */
  isLogSound: boolean;
}

export interface RemoteCheck {
  readonly parts: RemoteCheckParts;
  readonly history: SharedHistory;
  readonly check: Check;
  readonly damage: RemoteDamage;
  /** Position of the shared journal in {@link history}. */
  readonly headSeq: number;
  /** Up to where this store had pulled before that was asked for: the shared log has as many rows at least. */
  readonly pulledSeq: number;
  /** The entry_hash of the row there; null: not known. */
  readonly pulledHash: string | null;
}

/** Rows of a page. */
export const CHECK_ROWS = 1000;
/** Questions at once. */
export const CHECK_CONCURRENCY = 16;
