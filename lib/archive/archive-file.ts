/**
 * Owns the archive that somebody wants to read as a file: made as a whole in the store's drafts/, which is cleared at each
 * start. Must never leave a part of one there, nor fill the store's disk.
 */
import { open, rm, statfs } from "node:fs/promises";
import type { BlobFetcher } from "../blob-fetcher.ts";
import { defaultReserveBytes, fullDisk } from "../disk-space.ts";
import type { ArchiveErrand, ArchiveOutcome } from "../errands.ts";
import { StoreReader } from "../reader.ts";
import { describeFailure } from "./archive-failure.ts";
import { ArchiveView } from "./archive-view.ts";
import { BookArchive } from "./book-archive.ts";
import { writeArchive } from "./write-archive.ts";

interface MakeOptions {
  readonly signal?: AbortSignal | undefined;
  /** Brings bytes that are on a remote only. */
  readonly fetcher?: BlobFetcher | undefined;
}

/** Makes it. @throws the signal's reason */
export async function makeArchiveFile(
  errand: ArchiveErrand,
  storeDirectory: string,
  options: MakeOptions = {},
): Promise<ArchiveOutcome> {
  try {
    return { archiveBytes: await make(errand, storeDirectory, options) };
  } catch (error) {
    await rm(errand.path, { force: true });
    options.signal?.throwIfAborted();
    return { failure: describeFailure(error) };
  }
}

async function make(
  { path, bookId, userId, seq, scope }: ArchiveErrand,
  storeDirectory: string,
  { signal, fetcher }: MakeOptions,
): Promise<number> {
  // In the process of the store's owner; a connection of its own, as it is used while others are.
  const reader = StoreReader.openBeside(storeDirectory);
  reader.fetcher = fetcher;
  try {
    const view = ArchiveView.open(reader, { bookId, userId, seq, scope });
    const disk = await statfs(storeDirectory);
    const free = disk.bavail * disk.bsize - defaultReserveBytes(disk);
    if (view.survey().sizeBytes > free) throw fullDisk(storeDirectory);
    const file = await open(path, "wx", 0o600);
    try {
      return await writeArchive(new BookArchive(reader, view, { signal }), file);
    } finally {
      await file.close();
    }
  } finally {
    reader.close();
  }
}
