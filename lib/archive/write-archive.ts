/** Owns writing an archive to an open file. Must never close or name it. */
import type { FileHandle } from "node:fs/promises";
import type { BookArchive } from "./book-archive.ts";

/** @returns bytes of the archive */
export async function writeArchive(archive: BookArchive, file: FileHandle): Promise<number> {
  let archiveBytes = 0;
  for await (const piece of archive.bytes()) {
    await file.writeFile(piece);
    archiveBytes += piece.byteLength;
  }
  return archiveBytes;
}
