/** Owns how a book's file looks as JSON, to the control socket's clients and with --json. */
import type { BookFile } from "../lib/reader.ts";

/** One object for one line of JSON. */
export function fileJson({ path, sha256, sizeBytes, mode, mtime, fileId }: BookFile): object {
  return {
    path,
    sha256,
    size: sizeBytes,
    mode: mode.toString(8),
    mtime: new Date(mtime.seconds * 1000 + Math.floor(mtime.nanoseconds / 1_000_000)).toISOString(),
    file_id: fileId,
  };
}
