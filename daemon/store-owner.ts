/**
 * Owns what commands ask of whoever owns the store, as an interface: the daemon's mount thread, or this process while no
 * daemon runs.
 */
import type { Collected } from "../lib/collect-garbage.ts";
import type { Garbage } from "../lib/garbage.ts";
import type { ImportCounts } from "../lib/import.ts";
import type { ManifestPosition } from "../lib/manifest.ts";
import type { RetentionOutcome, RetentionStep } from "../lib/retention/move-rows.ts";
import type { RemoteOfBook } from "../lib/shared-rows.ts";
import type { SyncOwner } from "../lib/sync/sync-owner.ts";
import type { Resolution } from "../lib/worktree/end-conflict.ts";
import type { SnapshotCounts, SnapshotPage } from "../lib/worktree/follow-snapshot.ts";
import type { PublishedPath } from "../lib/worktree/publish-overlay.ts";
import type { RenamedPath } from "../lib/worktree/rename-paths.ts";
import type { RevertedPath } from "../lib/worktree/revert.ts";
import type { WrittenFile } from "../lib/worktree/write-file.ts";
import type { BookId } from "../schema/ids.ts";
import type {
  BookSummary,
  CreateInput,
  ImportInput,
  OverlayInput,
  RenameInput,
  ResolveInput,
  RestoreInput,
  RestoreResult,
  WriteInput,
} from "./thread-calls.ts";

export interface StoreOwner extends SyncOwner {
  readonly storeDirectory: string;
  /** @throws PfsError NOT_FOUND */
  findBook(bookId: BookId): Promise<BookSummary>;
  /** @throws PfsError EXISTS, USAGE */
  createBook(input: CreateInput): Promise<BookSummary>;
  /** @throws as importBatch of lib/import.ts */
  importBatch(input: ImportInput): Promise<ImportCounts>;
  renamePaths(input: RenameInput): Promise<readonly RenamedPath[]>;
  /** @throws as Worktree.resolveConflict */
  resolveConflict(input: ResolveInput): Promise<Resolution>;
  /** Takes the staged bytes over, or away. @throws as Worktree.write */
  writeFile(input: WriteInput): Promise<WrittenFile>;
  /** @throws as resolveReference of lib/past/ and Worktree.restore */
  restore(input: RestoreInput): Promise<RestoreResult>;
  /** The manifest of the book as it is now, after entering in the log what was just removed; it is remembered. @throws PfsError NOT_FOUND */
  tellManifest(bookId: BookId): Promise<ManifestPosition>;
  rememberManifest(bookId: BookId, manifest: ManifestPosition): Promise<void>;
  /** @throws as Worktree.revert */
  revert(input: OverlayInput): Promise<readonly RevertedPath[]>;
  /** @throws as Worktree.publish */
  publishOverlay(input: OverlayInput): Promise<readonly PublishedPath[]>;
  /** Enters in the log what was just removed. @throws PfsError NOT_FOUND */
  settle(bookId: BookId): Promise<void>;
  /** @throws as Library.shareBook */
  shareBook(bookId: BookId, remote: RemoteOfBook, isClone?: boolean): Promise<void>;
  /** @throws as Library.unshareBook */
  unshareBook(bookId: BookId): Promise<void>;
  /** A sync has gone well. @param timeMs milliseconds since 1970 */
  noteSynced(bookId: BookId, timeMs: number): Promise<void>;
  /** @throws as followSnapshot of lib/worktree/ */
  followSnapshot(bookId: BookId, page: SnapshotPage): Promise<SnapshotCounts>;
  /** Removes a batch of what nobody needed when it was found. */
  collectGarbage(garbage: Garbage): Promise<Collected>;
  /** One step of moving rows of the log into segments, or back. @throws as retain of lib/retention/ */
  retain(step: RetentionStep): Promise<RetentionOutcome>;
}
