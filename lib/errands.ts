/**
 * Owns what can be left to another thread because it takes long: reading a large file from its beginning to its end to hash
 * it, looking through a long log, making an archive of a book; or because only it
 * can be asked: metrics, bytes that a remote has, and whether it takes a change. Must never do any of it.
 */
import type { ArchiveScope } from "../schema/archive-scope.ts";
import type { BlobHash, BookId, Seq, UserId } from "../schema/ids.ts";
import type { FoundRows, LogSearch } from "./log-search.ts";
import type { PulledHead } from "./shared-rows.ts";
import type { ChangeToShare } from "./strict-change.ts";
import type { LogCheck } from "./verify.ts";

/** Below it the way to another thread and back is not worth it: some 2 ms of hashing. */
export const ERRAND_MIN_BYTES = 4 * 1024 * 1024;

/** Can be sent to another thread. */
export type Errand =
  | HashErrand
  | SearchErrand
  | CheckErrand
  | ArchiveErrand
  | MetricsErrand
  | FetchErrand
  | ShareErrand;

/** Hash a whole file. */
export interface HashErrand {
  readonly type: "hash";
  readonly path: string;
  /** Make it durable as well, so that a sync that follows finds little to do. */
  readonly sync: boolean;
}

/** Look for rows of the log. */
export interface SearchErrand {
  readonly type: "search-log";
  readonly search: LogSearch;
}

/** Check the log's chain from its first row on. */
export interface CheckErrand {
  readonly type: "check-log";
}

/** Write an archive to a new file at `path`. */
export interface ArchiveErrand {
  readonly type: "archive";
  readonly path: string;
  readonly bookId: BookId;
  readonly userId: UserId | undefined;
  /** Undefined: as the book is when it is begun. */
  readonly seq: Seq | undefined;
  readonly scope: ArchiveScope;
}

/** Gather the process's metrics and write them as text. One for all who ask at the same time. */
export interface MetricsErrand {
  readonly type: "metrics";
}

/** Bring a blob from its remote into the store. */
export interface FetchErrand {
  readonly type: "fetch";
  readonly hash: BlobHash;
}

/** Give rows to the shared log that are in no log yet. Each is of one request: none does for another. */
export interface ShareErrand {
  readonly type: "share";
  readonly change: ChangeToShare;
}

/** What came of sharing rows. */
export type ShareOutcome =
  /** The shared log has them, at these positions; up to `until` there is nothing to be pulled then. */
  | { readonly type: "shared"; readonly seqs: readonly number[]; readonly until: PulledHead }
  /** It has none of them, as others were first; what they did is here now. */
  | { readonly type: "moved" }
  /** It may have them or not: then they come as others' do. */
  | { readonly type: "failed"; readonly failure: ErrandFailure };

/** What came of fetching: the blob is in the store, or why it is not. */
export type FetchOutcome = "stored" | { readonly failure: ErrandFailure };

/** What came of hashing a file. */
export interface HashOutcome {
  readonly hash: BlobHash;
  /** Of `fingerprint`: before and after it was the same, so that this file has this hash. */
  readonly fingerprint: string;
}

/** What came of making an archive. After a failure nothing is left at the path. */
export type ArchiveOutcome = { readonly archiveBytes: number } | { readonly failure: ErrandFailure };

export interface ErrandFailure {
  /** One of pfs's or of the system's. */
  readonly code: string;
  readonly message: string;
  readonly hint: string | undefined;
}

/** What came of an errand of each type. */
interface Outcomes {
  readonly hash: HashOutcome;
  readonly "search-log": FoundRows;
  readonly "check-log": LogCheck;
  readonly archive: ArchiveOutcome;
  readonly metrics: string;
  readonly fetch: FetchOutcome;
  readonly share: ShareOutcome;
}

export type ErrandOutcome = Outcomes[Errand["type"]];

/**
 * Thrown in the place of waiting, only to whoever said that it may be: nothing was done. Once `finish` has been called, the
 * same is to be asked for again, and finds the outcome.
 */
export class Deferred {
  readonly errand: Errand;
  /** To be called in this thread with the outcome. */
  readonly finish: (outcome: ErrandOutcome) => void;
  /** To be called when everybody who waited has asked again, or has gone. */
  readonly end: (() => void) | undefined;

  private constructor(errand: Errand, finish: (outcome: ErrandOutcome) => void, end?: () => void) {
    this.errand = errand;
    this.finish = finish;
    this.end = end;
  }

  /** For an errand, with what to do with its outcome; `end` is called when nobody waits for it any more. */
  static of<One extends Errand>(
    errand: One,
    finish: (outcome: Outcomes[One["type"]]) => void,
    end?: () => void,
  ): Deferred {
    return new Deferred(errand, finish as (outcome: ErrandOutcome) => void, end);
  }
}
