/** Owns what a step of sync works with: one book, its remote, and this machine's store. Must never do anything. */
import type { BookId } from "../../schema/ids.ts";
import type { StoreReader } from "../reader.ts";
import type { RemoteBlobs } from "../remote/remote-blobs.ts";
import type { RemoteLog } from "../remote/remote-log.ts";
import type { SentNotes } from "./sent-notes.ts";
import type { SyncOwner } from "./sync-owner.ts";

export interface SyncParts {
  readonly bookId: BookId;
  /** What this store is known by. */
  readonly storeId: string;
  readonly log: Pick<RemoteLog, "append" | "rowsAfter" | "readClaim">;
  readonly blobs: Pick<RemoteBlobs, "put" | "get" | "has">;
  /** What was sent before; without it what is cut off is sent once more. */
  readonly sent?: SentNotes | undefined;
  /** From beside the owner. */
  readonly reader: StoreReader;
  readonly owner: SyncOwner;
  /** Rows of a page; default {@link PULL_ROWS} or {@link PUSH_ROWS}. */
  readonly pageRows?: number;
  readonly signal?: AbortSignal | undefined;
  /** Told of each step forward. */
  readonly onProgress?: ((step: SyncStep) => void) | undefined;
}

/** What has just been done. */
export type SyncStep =
  | { readonly type: "sent"; readonly bytes: number }
  | { readonly type: "pushed"; readonly rows: number }
  | { readonly type: "pulled"; readonly rows: number };

/** A page is one transaction of the thread that serves mounts: some 0.2 ms a row, during which others wait. */
export const PULL_ROWS = 200;
/** A page is one transaction of the remote. */
export const PUSH_ROWS = 1000;
