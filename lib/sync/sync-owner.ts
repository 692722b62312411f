/**
 * Owns, as an interface, what sync asks of whoever owns the store: the mount thread of a daemon, or this process. Each call is
 * one transaction there, or none.
 */
import type { BlobHash, BookId } from "../../schema/ids.ts";
import type { PulledHead, SharedPair } from "../shared-rows.ts";
import type { StagedBytes } from "../staging.ts";
import type { FollowOutcome, SharedPage } from "../worktree/follow-remote.ts";

export interface SyncOwner {
  /** Does what others did. @throws as followRemote of lib/worktree/ */
  followRemote(bookId: BookId, page: SharedPage): Promise<FollowOutcome>;
  /** Rows of the log are in the shared log, and these bytes on the remote; up to `until` there is nothing to be pulled. */
  noteShared(
    bookId: BookId,
    pairs: readonly SharedPair[],
    blobs: readonly BlobHash[],
    until: PulledHead,
  ): Promise<void>;
  /** Makes bytes that were fetched blobs; takes what was staged over, or away. @throws PfsError CORRUPT, FULL */
  storeBlobs(blobs: readonly StagedBytes[]): Promise<void>;
}
