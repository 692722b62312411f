/**
 * Owns how commands and whoever owns the store tell each other of manifest hashes. That one knows the present one without
 * reading the book anew. Must never make one.
 */
import type { ManifestPosition } from "../../lib/manifest.ts";
import type { BlobHash, BookId, Seq } from "../../schema/ids.ts";
import type { Context } from "./context.ts";

/** It is remembered, so that it can be asked for from then on. @throws PfsError NOT_FOUND: no such store, no such book */
export async function tellManifest(context: Context, bookId: BookId): Promise<ManifestPosition> {
  // Before anything is made: a store that is not there is not to be.
  await context.read((reader) => reader.book(bookId), bookId);
  return context.own({
    async viaDaemon(daemon) {
      const told = await daemon.call("POST", `/books/${bookId}/manifests`);
      const { manifest_hash, position } = told as { manifest_hash: BlobHash; position: Seq };
      return { manifestHash: manifest_hash, seq: position };
    },
    directly: (owner) => owner.tellManifest(bookId),
  });
}

/** Whoever was told a hash may ask for it later. */
export function rememberManifest(
  context: Context,
  bookId: BookId,
  { manifestHash, seq }: ManifestPosition,
): Promise<unknown> {
  return context.own<unknown>({
    viaDaemon: (daemon) =>
      daemon.call("POST", `/books/${bookId}/manifests`, { manifest_hash: manifestHash, position: seq }),
    directly: (owner) => owner.rememberManifest(bookId, { manifestHash, seq }),
  });
}
