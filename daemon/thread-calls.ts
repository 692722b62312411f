/**
 * Owns what the main thread asks of the mount thread and what it is told: the messages of the port between them. Must
 * never say how anything is done.
 */
import type { MessagePort } from "node:worker_threads";
import type { BookWishes } from "../lib/book.ts";
import type { Evicted, Eviction } from "../lib/cache/evict-blobs.ts";
import type { Collected } from "../lib/collect-garbage.ts";
import type { ConflictChoice } from "../lib/conflict-table.ts";
import type { Errand, ErrandOutcome } from "../lib/errands.ts";
import type { Garbage } from "../lib/garbage.ts";
import type { ImportCounts, ReadFile } from "../lib/import.ts";
import type { ManifestPosition } from "../lib/manifest.ts";
import type { MetricFamily } from "../lib/metric-family.ts";
import type { RetentionOutcome, RetentionStep } from "../lib/retention/move-rows.ts";
import type { PulledHead, RemoteOfBook, SharedPair } from "../lib/shared-rows.ts";
import type { StagedBytes } from "../lib/staging.ts";
import type { Deletion } from "../lib/worktree/delete-path.ts";
import type { Resolution } from "../lib/worktree/end-conflict.ts";
import type { FollowOutcome, SharedPage } from "../lib/worktree/follow-remote.ts";
import type { SnapshotCounts, SnapshotPage } from "../lib/worktree/follow-snapshot.ts";
import type { PublishedPath } from "../lib/worktree/publish-overlay.ts";
import type { Refusal } from "../lib/worktree/refusals.ts";
import type { PathRename, RenamedPath } from "../lib/worktree/rename-paths.ts";
import type { RestoredFile } from "../lib/worktree/restore.ts";
import type { RevertedPath } from "../lib/worktree/revert.ts";
import type { FileToWrite, WriteWishes, WrittenFile } from "../lib/worktree/write-file.ts";
import type { Notification } from "../mount/kernel-link.ts";
import type { AgentName, BlobHash, BookId, FileId, Seq, UserId } from "../schema/ids.ts";
import type { LogRow } from "../schema/log-row.ts";
import type { MountMode } from "../schema/mount-options.ts";
import type { TreePath } from "../schema/paths.ts";
import type { ErrorReport } from "./error-report.ts";

export interface ThreadStart {
  readonly storeDirectory: string;
  readonly doorbellFd: number;
  readonly port: MessagePort;
  /** Memory of a CommitSignal. */
  readonly commits: SharedArrayBuffer;
  /** Tell each committed row and each refusal: for a terminal that shows them. */
  readonly tellsChanges: boolean;
}

/** Who a change is done for, when no kernel says it. */
export interface PlainActor {
  readonly agent: AgentName;
  readonly uid: number;
  readonly gid: number;
  readonly pid: number;
  readonly command: string;
}

export interface BookSummary {
  readonly book: BookId;
  readonly profile: string;
  /** Of parseProfile. */
  readonly profileJson: unknown;
  /** The longest that a file may be, in bytes. */
  readonly fileSizeLimitBytes: number;
  /** Inode number of the root. */
  readonly rootId: FileId;
}

/** A mount that the thread is to serve. */
export interface ServeInput extends MountMode {
  /** Names the mount in what the thread tells. */
  readonly mountId: number;
  /** The connection to the kernel. */
  readonly fd: number;
  readonly bookId: BookId;
  readonly agent: AgentName;
  /** What `at` means: the position of the log whose state is shown. */
  readonly position: Position | undefined;
  /** For control files. */
  readonly directory: string;
  readonly uid: number;
  readonly gid: number;
  /** These are another Unix user than the store's owner, to whom what lies open to all is lent. */
  readonly isForGuest: boolean;
}

export interface ImportInput {
  readonly bookId: BookId;
  readonly files: readonly ReadFile[];
  readonly directories: readonly string[];
  readonly actor: PlainActor;
}

export interface DeleteInput {
  readonly bookId: BookId;
  readonly path: TreePath;
  readonly actor: PlainActor;
}

export interface ResolveInput {
  readonly id: number;
  readonly choice: ConflictChoice;
  readonly actor: PlainActor;
}

/** A position of the log that a reference means. */
export interface Position {
  readonly seq: Seq;
  /** When it was reached, ISO 8601; null at the beginning of the log. */
  readonly time: string | null;
}

export interface RestoreInput {
  readonly bookId: BookId;
  /** Of parseReference. */
  readonly reference: string;
  /** In the book; "" is all of it. */
  readonly paths: readonly string[];
  readonly actor: PlainActor;
}

export interface RestoreResult {
  readonly position: Position;
  readonly files: readonly RestoredFile[];
}

/** What of a user's overlay is to be given up, or published. */
export interface OverlayInput {
  readonly bookId: BookId;
  readonly userId: UserId;
  /** Files and directories; "" is all of it. */
  readonly paths: readonly string[];
  readonly actor: PlainActor;
}

/** Files of the base that are to get other names. */
export interface RenameInput {
  readonly bookId: BookId;
  readonly renames: readonly PathRename[];
  readonly actor: PlainActor;
}

/** A book that is to be made. */
export interface CreateInput extends BookWishes {
  readonly bookId: BookId;
  /** Of parseProfile. */
  readonly profileJson: unknown;
}

/** A path's next version, with its bytes. */
export interface WriteInput extends WriteWishes {
  readonly bookId: BookId;
  /** Whose overlay; none: the base. */
  readonly userId?: UserId | undefined;
  readonly file: FileToWrite;
  readonly actor: PlainActor;
}

export interface ThreadStatus {
  readonly seq: number;
  readonly head: string;
  /** Of the books in use: files open with something unsaved, paths that wait to be written again. */
  readonly books: readonly { readonly book: BookId; readonly drafts: number }[];
}

/** Every call with what it takes and answers. Failures are reported and thrown to the caller. */
export interface ThreadCalls {
  createBook: { input: CreateInput; output: BookSummary };
  findBook: { input: { bookId: BookId }; output: BookSummary };
  serve: { input: ServeInput; output: undefined };
  /** The kernel has ended the mount and nobody uses its descriptor any more. */
  closeDevice: { input: { mountId: number }; output: undefined };
  /** Whether all notifications up to this ticket have reached their kernels. */
  hasDelivered: { input: { ticket: number }; output: boolean };
  importBatch: { input: ImportInput; output: ImportCounts };
  writeFile: { input: WriteInput; output: WrittenFile };
  deleteFile: { input: DeleteInput; output: { readonly outcome: Deletion } };
  renamePaths: { input: RenameInput; output: readonly RenamedPath[] };
  /** Finds a past state, after entering in the log what was just removed. */
  findPosition: { input: { bookId: BookId; reference: string }; output: Position };
  restore: { input: RestoreInput; output: RestoreResult };
  /** Of the present, after entering in the log what was just removed. */
  tellManifest: { input: { bookId: BookId }; output: ManifestPosition };
  rememberManifest: { input: ManifestPosition & { bookId: BookId }; output: undefined };
  /** Turns what was removed at least `minimumAgeMs` ago into rows of the log; of all books in use if none is named. */
  settle: { input: { bookId?: BookId | undefined; minimumAgeMs: number }; output: undefined };
  resolveConflict: { input: ResolveInput; output: Resolution };
  revert: { input: OverlayInput; output: readonly RevertedPath[] };
  publishOverlay: { input: OverlayInput; output: readonly PublishedPath[] };
  /** Removes a batch of what nobody needed. */
  collectGarbage: { input: Garbage; output: Collected };
  /** One step of moving rows of the log into segments, or back. */
  retain: { input: RetentionStep; output: RetentionOutcome };
  shareBook: {
    input: { bookId: BookId; remote: RemoteOfBook; isClone?: boolean | undefined };
    output: undefined;
  };
  /** Saves a part of when blobs were used; answers how many are left. */
  saveBlobUses: { input: object; output: number };
  evictBlobs: { input: Eviction; output: Evicted };
  unshareBook: { input: { bookId: BookId }; output: undefined };
  followRemote: { input: { bookId: BookId; page: SharedPage }; output: FollowOutcome };
  followSnapshot: { input: { bookId: BookId; page: SnapshotPage }; output: SnapshotCounts };
  noteShared: {
    input: {
      bookId: BookId;
      pairs: readonly SharedPair[];
      blobs: readonly BlobHash[];
      until: PulledHead;
    };
    output: undefined;
  };
  noteSynced: { input: { bookId: BookId; timeMs: number }; output: undefined };
  storeBlobs: { input: { blobs: readonly StagedBytes[] }; output: undefined };
  status: { input: Record<string, never>; output: ThreadStatus };
  /** What the thread has counted, and how it is at this moment. */
  metrics: { input: Record<string, never>; output: readonly MetricFamily[] };
  /** Closes the store and ends the thread. */
  leave: { input: Record<string, never>; output: undefined };
}

export type CallName = keyof ThreadCalls;
export type InputOf<Name extends CallName> = ThreadCalls[Name]["input"];
export type OutputOf<Name extends CallName> = ThreadCalls[Name]["output"];

/** From main to the thread. */
export type ThreadMessage =
  | { readonly type: "call"; readonly id: number; readonly name: CallName; readonly input: unknown }
  | { readonly type: "delivered"; readonly ticket: number; readonly isKnown: boolean }
  | { readonly type: "errandDone"; readonly id: number; readonly outcome: ErrandOutcome | undefined };

/** From the thread to main. `answer` and `failure` 0 say how opening the store went. */
export type ThreadReport =
  | { readonly type: "answer"; readonly id: number; readonly output: unknown }
  | { readonly type: "failure"; readonly id: number; readonly error: ErrorReport }
  | { readonly type: "notify"; readonly mountId: number; readonly notification: Notification }
  | { readonly type: "errand"; readonly id: number; readonly errand: Errand }
  | { readonly type: "ended"; readonly mountId: number }
  | { readonly type: "rows"; readonly rows: readonly LogRow[] }
  /** Something was done in these books since they were told of. */
  | { readonly type: "changed"; readonly books: readonly BookId[] }
  | { readonly type: "refusal"; readonly bookId: BookId; readonly refusal: Refusal }
  | { readonly type: "fault"; readonly operation: string; readonly message: string };
