/**
 * Owns what the main thread asks of the mount thread and what it is told: the messages of the port between them. Must
 * never say how anything is done.
 */
import type { MessagePort } from "node:worker_threads";
import type { ImportCounts, ReadFile } from "../lib/import.ts";
import type { Deletion } from "../lib/worktree/delete-path.ts";
import type { Refusal } from "../lib/worktree/refusals.ts";
import type { Notification } from "../mount/kernel-link.ts";
import type { AgentName, BookId } from "../schema/ids.ts";
import type { LogRow } from "../schema/log-row.ts";
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
}

/** A mount that the thread is to serve. */
export interface ServeInput {
  /** Names the mount in what the thread tells. */
  readonly mountId: number;
  /** The connection to the kernel. */
  readonly fd: number;
  readonly bookId: BookId;
  readonly agent: AgentName;
  readonly readOnly: boolean;
  /** For control files. */
  readonly directory: string;
  readonly uid: number;
  readonly gid: number;
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

export interface ThreadStatus {
  readonly seq: number;
  readonly head: string;
  /** Of the books in use: files open with something unsaved, paths that wait to be written again. */
  readonly books: readonly { readonly book: BookId; readonly drafts: number }[];
}

/** Every call with what it takes and answers. Failures are reported and thrown to the caller. */
export interface ThreadCalls {
  createBook: { input: { bookId: BookId; profileJson: unknown }; output: BookSummary };
  findBook: { input: { bookId: BookId }; output: BookSummary };
  serve: { input: ServeInput; output: undefined };
  /** The kernel has ended the mount and nobody uses its descriptor any more. */
  closeDevice: { input: { mountId: number }; output: undefined };
  importBatch: { input: ImportInput; output: ImportCounts };
  deleteFile: { input: DeleteInput; output: { readonly outcome: Deletion } };
  /** Turns what was removed at least `minimumAgeMs` ago into rows of the log; of all books in use if none is named. */
  settle: { input: { bookId?: BookId | undefined; minimumAgeMs: number }; output: undefined };
  status: { input: Record<string, never>; output: ThreadStatus };
  /** Closes the store and ends the thread. */
  leave: { input: Record<string, never>; output: undefined };
}

export type CallName = keyof ThreadCalls;
export type InputOf<Name extends CallName> = ThreadCalls[Name]["input"];
export type OutputOf<Name extends CallName> = ThreadCalls[Name]["output"];

/** From main to the thread. */
export type ThreadMessage =
  | { readonly type: "call"; readonly id: number; readonly name: CallName; readonly input: unknown }
  | { readonly type: "delivered"; readonly ticket: number };

/** From the thread to main. `answer` and `failure` 0 say how opening the store went. */
export type ThreadReport =
  | { readonly type: "answer"; readonly id: number; readonly output: unknown }
  | { readonly type: "failure"; readonly id: number; readonly error: ErrorReport }
  | { readonly type: "notify"; readonly mountId: number; readonly notification: Notification }
  | { readonly type: "ended"; readonly mountId: number }
  | { readonly type: "row"; readonly row: LogRow }
  | { readonly type: "refusal"; readonly bookId: BookId; readonly refusal: Refusal }
  | { readonly type: "fault"; readonly operation: string; readonly message: string };
