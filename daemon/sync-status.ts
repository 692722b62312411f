/** Owns what is said of a book's sync, be a daemon running or not. Must never hold a secret. */
import { measureOutbox } from "../lib/outbox.ts";
import type { StoreReader } from "../lib/reader.ts";
import { listRemotes } from "../lib/shared-rows.ts";
import type { BookId } from "../schema/ids.ts";

/** How the sync of a book is, for `GET /status`. Without secrets. */
export interface SyncStatus {
  readonly book: BookId;
  readonly log: string;
  readonly blobs: string;
  /** `idle`: everything is there that is known of; `waiting`: for the next attempt after a failure;
   * `stopped`: no daemon runs. */
  readonly state: "idle" | "syncing" | "waiting" | "stopped";
  /** Rows of the log that the remote does not have yet, and bytes. */
  readonly pending: number;
  readonly pending_bytes: number;
  /** When the last one that went well ended, in whichever process, ISO 8601; null: nothing is known of one. */
  readonly last_sync: string | null;
  /** Of the last attempt, or what the one under way is trying again; a whole sentence. */
  readonly error: string | null;
  /** When it is tried again, ISO 8601. */
  readonly next_attempt: string | null;
}

/** Null for what is not known. */
export function isoTime(timeMs: number | undefined): string | null {
  return timeMs === undefined ? null : new Date(timeMs).toISOString();
}

/** While no daemon runs. */
export function stillStatus(reader: StoreReader): SyncStatus[] {
  return listRemotes(reader.database).map(({ bookId, logUrl, blobsUrl, lastSyncMs }) => {
    const { rows, bytes } = measureOutbox(reader.database, bookId);
    return {
      ...{
        book: bookId,
        log: logUrl,
        blobs: blobsUrl,
        state: "stopped",
        pending: rows,
        pending_bytes: bytes,
      },
      ...{ last_sync: isoTime(lastSyncMs ?? undefined), error: null, next_attempt: null },
    };
  });
}
