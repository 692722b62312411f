/** Owns what a file is that a remote has of a book, whoever says so. Must never know how it is stored. */
import type { BlobHash, FileId, UserId } from "./ids.ts";

/** A file of a book's shared journal. */
export interface SharedFile {
  readonly path: string;
  readonly userId: UserId;
  readonly hash: BlobHash;
  readonly sizeBytes: number;
  /** 100644, 100755 or 120000 (octal), as in git. */
  readonly mode: number;
  /** Decimal nanoseconds since 1970. */
  readonly mtime: string;
  readonly fileId: FileId;
  /** As the row's that made it so: {@link LogRowBody.base_hash}. */
  readonly baseHash: string | null;
  /** Of the shared row that made it so. */
  readonly seq: number;
  /** Who made that row. */
  readonly agent: string;
}
