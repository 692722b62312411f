/**
 * Owns comparing one blob with the hash that it is named by, piece by piece. Must never take for damaged what was removed or
 * replaced while it was read, nor keep in the page cache what nobody else reads.
 */
import { createHash, hash as sha256 } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import type { BlobHash, BookId } from "../../schema/ids.ts";
import { allocatePageAligned, dropCached } from "../libc.ts";
import type { StoreReader } from "../reader.ts";
import type { Difference } from "./difference.ts";

export interface ComparedPiece {
  readonly bytes: number;
  /** Of the last piece: what is wrong, if anything is. */
  readonly wrong: readonly Difference[] | undefined;
}

const PIECE_BYTES = 1024 * 1024;
/** Files that are read often are smaller; what is dropped of a larger one is read from the disk the next time. */
const DROPPED_FROM_BYTES = 32 * 1024 * 1024;

interface BlobRow {
  readonly size: number;
  readonly data: Buffer | null;
}

/** Waits for nothing: for a thread of its own. */
export function* compareBytes(reader: StoreReader, hash: BlobHash): Generator<ComparedPiece, void> {
  const select = reader.database.prepare<unknown[], BlobRow>("SELECT size, data FROM blob WHERE sha256 = ?");
  const row = select.get(hash);
  if (row === undefined) {
    yield { bytes: 0, wrong: [] };
    return;
  }
  if (row.data !== null) {
    const isRight = row.data.byteLength === row.size && sha256("sha256", row.data, "hex") === hash;
    yield {
      bytes: row.data.byteLength,
      wrong: isRight ? [] : named(reader, hash, "do not match their hash"),
    };
    return;
  }
  const what = yield* compareFile(reader.objectPath(hash), row.size, hash);
  // Who removes or mends it changes the row first.
  const isStill = what !== undefined && select.get(hash)?.data === null;
  const again = isStill ? yield* compareFile(reader.objectPath(hash), row.size, hash) : undefined;
  yield { bytes: 0, wrong: again === undefined ? [] : named(reader, hash, again) };
}

/** Answers what is wrong; undefined: nothing. */
function* compareFile(
  path: string,
  size: number,
  hash: BlobHash,
): Generator<ComparedPiece, string | undefined> {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    return code === "ENOENT" ? "are missing: the file is gone" : `cannot be read (${code})`;
  }
  try {
    if (fstatSync(fd).size !== size) return "do not match their hash";
    const digest = createHash("sha256");
    const piece = allocatePageAligned(0, Math.min(PIECE_BYTES, Math.max(1, size)));
    for (let at = 0; ; ) {
      const bytes = readSync(fd, piece, 0, piece.byteLength, at);
      if (bytes === 0) break;
      digest.update(piece.subarray(0, bytes));
      if (size >= DROPPED_FROM_BYTES) dropCached(fd, at, bytes);
      at += bytes;
      yield { bytes, wrong: undefined };
    }
    return digest.digest("hex") === hash ? undefined : "do not match their hash";
  } catch (error) {
    return `cannot be read (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`;
  } finally {
    closeSync(fd);
  }
}

/** One for each book that has these bytes now, or had them last. */
function named({ database }: StoreReader, hash: BlobHash, what: string): Difference[] {
  const files = database
    .prepare<unknown[], { book: BookId; path: string }>(
      "SELECT book_id AS book, min(path) AS path FROM file_journal WHERE sha256 = ? GROUP BY book_id",
    )
    .all(hash);
  const kind = "bytes";
  if (files.length > 0)
    return files.map(({ book, path }) => ({ book, kind, message: `The bytes of ${path} ${what}.` }));
  const old = database
    .prepare<unknown[], { book: BookId; path: string }>(
      "SELECT book_id AS book, path FROM audit_log WHERE new_hash = ? ORDER BY seq DESC LIMIT 1",
    )
    .get(hash);
  if (old === undefined)
    return [{ book: undefined, kind, message: `The bytes of the blob ${hash} ${what}.` }];
  return [{ book: old.book, kind, message: `The bytes of an old version of ${old.path} ${what}.` }];
}
