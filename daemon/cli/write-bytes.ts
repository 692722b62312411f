/** Owns writing a file's bytes to standard output, piece by piece. Must never hold more than one. */
import { once } from "node:events";
import type { BookFile, StoreReader } from "../../lib/reader.ts";

/** @throws PfsError CORRUPT, perhaps after bytes that are wrong */
export async function writeBytes(reader: StoreReader, { sha256, path }: BookFile): Promise<void> {
  for await (const chunk of reader.readChunks(sha256, path)) {
    // The piece is valid until the next is asked for, a stream keeps what it cannot write at once.
    if (!process.stdout.write(Buffer.from(chunk))) await once(process.stdout, "drain");
  }
}
