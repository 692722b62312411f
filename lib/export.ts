/**
 * Owns writing a book's files to a directory, byte-exact, with executable bit, modification time and symbolic links.
 * Must never write outside of that directory: no symbolic link in it is followed.
 */
import type { BookId } from "../schema/ids.ts";
import type { StoreReader } from "./reader.ts";

export interface ExportCounts {
  readonly files: number;
  readonly symlinks: number;
  readonly directories: number;
  readonly sizeBytes: number;
}

export interface ExportProgress {
  readonly files: number;
  readonly totalFiles: number;
  readonly sizeBytes: number;
  readonly totalSizeBytes: number;
}

export interface ExportOptions {
  /** Also into a directory that holds something: files of the book replace those of the same name, others stay. */
  readonly force?: boolean;
  readonly onProgress?: (progress: ExportProgress) => void;
}

/**
 * Writes the book, as it is at this moment, to `directory`, which is made when it is not there.
 * @throws PfsError NOT_FOUND: no such book; EXISTS: the directory is not empty (and no `force`), or something in it is in
 *   the way; CORRUPT: after all others were written, naming the files whose bytes are damaged
 */
export async function exportBook(
  reader: StoreReader,
  bookId: BookId,
  directory: string,
  options: ExportOptions = {},
): Promise<ExportCounts> {
  throw new Error(`${reader}${bookId}${directory}${options}`);
}
