/**
 * Owns manifests: one `path:sha256` line per file of the base, bytewise sorted, each ending in a newline; their hash; and
 * at which positions hashes were that somebody was told. Must never know who asks.
 */
import { createHash } from "node:crypto";
import type { Database } from "better-sqlite3";
import { PfsError } from "../schema/errors.ts";
import { BASE, type BlobHash, type BookId, isBlobHash, quote, type Seq } from "../schema/ids.ts";
import { isHashBeginning } from "../schema/reference.ts";
import type { ManifestText } from "./manifest-text.ts";
import { PastFiles } from "./past/past-files.ts";
import type { Store } from "./store.ts";
import type { Time } from "./time.ts";

export interface ManifestPosition {
  readonly manifestHash: BlobHash;
  readonly seq: Seq;
}

/** A manifest as it is shown. */
export interface Manifest {
  /** One `path:sha256` line per file, bytewise sorted by path, each ending in a newline. */
  readonly text: ManifestText;
  readonly hash: BlobHash;
  readonly seq: Seq;
  /** When it became what it is. */
  readonly since: Time;
}

/** What can be told of a manifest without its lines. */
export type ManifestLook = Pick<Manifest, "seq" | "since">;

/** As long as every other: for texts that name a manifest and are only measured. */
export const ANY_MANIFEST_HASH = "0".repeat(64) as BlobHash;

/** The manifest of what a mount shows: of the present, or of a position. */
export interface ManifestView {
  /** For whoever only looks at it, as `find` does: neither this nor {@link sizeBytes} makes lines to keep. */
  look(): ManifestLook;
  /** The length of its text. */
  sizeBytes(): number;
  get(): Manifest;
  /** The same, to be shown: its hash can be asked for from then on. */
  tell(): Manifest;
}

/** The lines of a book's manifest at a position of the log, without their newlines. */
export function* manifestLines(database: Database, bookId: BookId, seq: Seq): Generator<string, void> {
  for (const { path, sha256 } of new PastFiles(database, bookId, BASE).filesOf("", seq)) {
    yield `${path}:${sha256}`;
  }
}

/** SHA-256 of the manifest's bytes. Reads every file's row. */
export function manifestHash(database: Database, bookId: BookId, seq: Seq): BlobHash {
  const digest = createHash("sha256");
  for (const line of manifestLines(database, bookId, seq)) digest.update(`${line}\n`);
  return digest.digest("hex") as BlobHash;
}

/** Remembers that a manifest hash was told. Of several positions with one manifest the latest is kept. */
export function rememberManifest(
  store: Store,
  bookId: BookId,
  { manifestHash, seq }: ManifestPosition,
): void {
  store.transaction(() =>
    store.database
      .prepare(
        `INSERT INTO manifest_position (book_id, manifest_hash, seq) VALUES (?, ?, ?)
         ON CONFLICT (book_id, manifest_hash) DO UPDATE SET seq = max(seq, excluded.seq)`,
      )
      .run(bookId, manifestHash, seq),
  );
}

/** The positions of the manifests that are remembered and whose hash begins with `prefix`; a few of them at most. */
export function positionsOfManifests(database: Database, bookId: BookId, prefix: string): ManifestPosition[] {
  return database
    .prepare<unknown[], ManifestPosition>(
      `SELECT manifest_hash AS manifestHash, seq FROM manifest_position
       WHERE book_id = ? AND manifest_hash >= ? AND manifest_hash < ? ORDER BY manifest_hash LIMIT 4`,
    )
    .all(bookId, prefix, `${prefix}g`);
}

/**
 * The manifest hash that a text is, or begins. A whole one need not be known.
 * @throws PfsError USAGE: no hash, or several begin so; NOT_FOUND: none that is known does
 */
export function findManifestHash(database: Database, bookId: BookId, text: string): BlobHash {
  if (isBlobHash(text)) return text;
  if (!isHashBeginning(text)) {
    throw new PfsError("USAGE", `${quote(text)} is no manifest hash.`, {
      hint: "Name one that was shown, by .pfs/manifest.hash or `pfs manifest`: 64 digits, or the first 8 at least.",
    });
  }
  const [found, ...others] = positionsOfManifests(database, bookId, text);
  if (found === undefined) {
    throw new PfsError("NOT_FOUND", `No manifest hash of ${bookId} that is known here begins with ${text}.`, {
      hint: "A hash is known once it was shown. Name the whole hash.",
    });
  }
  if (others.length > 0) {
    throw new PfsError("USAGE", `Several manifest hashes of ${bookId} begin with ${text}.`, {
      hint: "Write more digits.",
    });
  }
  return found.manifestHash;
}
