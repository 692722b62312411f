/** Owns reading a blob of the store to be sent, any part of it and more than once. Must never verify: who receives it does. */
import type { BlobHash } from "../../schema/ids.ts";
import { absentBytes } from "../absent-bytes.ts";
import { filePieces } from "../file-pieces.ts";
import type { StoreReader } from "../reader.ts";
import type { BlobSource } from "../remote/remote-blobs.ts";
import type { SpareMemory } from "../spare-memory.ts";

/** @param path for the message. @throws PfsError UNAVAILABLE, CORRUPT: it is not here */
export function blobSource(reader: StoreReader, hash: BlobHash, path: string): BlobSource {
  const { database } = reader;
  const row = database
    .prepare<[string], { size: number; isInline: number }>(
      "SELECT size, data IS NOT NULL AS isInline FROM blob WHERE sha256 = ?",
    )
    .get(hash);
  if (row === undefined) throw absentBytes(database, hash, path);
  const readInline = database.prepare<[string], Buffer>("SELECT data FROM blob WHERE sha256 = ?").pluck();
  const readObject = async function* (start: number, end: number, memory?: SpareMemory) {
    try {
      yield* filePieces(reader.objectPath(hash), start, end, memory);
    } catch (error) {
      throw (error as NodeJS.ErrnoException).code === "ENOENT"
        ? absentBytes(database, hash, path, error)
        : error;
    }
  };
  return {
    hash,
    sizeBytes: row.size,
    async *read(start = 0, end = row.size, memory?: SpareMemory) {
      if (end <= start) return;
      if (row.isInline === 1) yield (readInline.get(hash) ?? Buffer.alloc(0)).subarray(start, end);
      else yield* readObject(start, end, memory);
    },
  };
}
