/**
 * Owns what is said of bytes that are asked for and are not in the store: they are on the remote only, or lost. The one place
 * from which what is missing can be fetched.
 */
import type { Database } from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";
import type { BlobHash } from "../schema/ids.ts";

/** Whether a remote is known to have the bytes of a hash. */
export function isOnRemote(database: Database, blobHash: BlobHash): boolean {
  return database.prepare("SELECT 1 FROM remote_blob WHERE sha256 = ? LIMIT 1").get(blobHash) !== undefined;
}

/** The refusal to read what was to be fetched, and could not be. */
export function unfetched(path: string, failure: PfsError): PfsError {
  return new PfsError(
    failure.code,
    `${path} cannot be read: its bytes are on the remote only. ${failure.message}`,
    { path, hint: failure.hint, cause: failure },
  );
}

/** The refusal to read a blob that the store has no bytes of: UNAVAILABLE, or CORRUPT where nobody is known to have them. */
export function absentBytes(database: Database, blobHash: BlobHash, path: string, cause?: unknown): PfsError {
  if (isOnRemote(database, blobHash)) {
    return new PfsError(
      "UNAVAILABLE",
      `${path} cannot be read: its bytes are on the remote only (${blobHash}).`,
      {
        path,
        hint: "Nothing is lost: `pfs prefetch BOOK` fetches them, as does opening the file in a mount.",
        cause,
      },
    );
  }
  return new PfsError(
    "CORRUPT",
    `${path} cannot be read: its bytes are missing from the store (${blobHash}).`,
    {
      path,
      hint: "Run `pfs verify` for all that is damaged, and restore the store from a backup.",
      cause,
    },
  );
}
