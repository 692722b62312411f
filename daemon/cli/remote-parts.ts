/** Owns what the commands that look after a remote work with: the remote of a book, beside whoever owns the store. */
import { HeadSigner } from "../../lib/head-signer.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { findRemote } from "../../lib/shared-rows.ts";
import type { CollectParts } from "../../lib/sync/collect-remote.ts";
import type { RemoteRepairParts } from "../../lib/sync/repair-remote.ts";
import { parseBookId } from "../../schema/ids.ts";
import { notShared, openRemote, recognizeRemote } from "../book-sync.ts";
import type { Context } from "./context.ts";

/** @throws PfsError USAGE: the book is not shared; STORE_DAMAGED: behind the URL is another remote; others of the remote */
export async function withRemoteOf<Result>(
  context: Context,
  book: string,
  use: (parts: RemoteRepairParts & CollectParts) => Promise<Result>,
): Promise<Result> {
  const bookId = parseBookId(book);
  return await context.read(async (reader) => {
    const state = findRemote(reader.database, bookId);
    if (state === undefined) throw notShared(bookId);
    const remote = await openRemote(state, reader.directory, { counters: new RemoteCounters() });
    try {
      await recognizeRemote(remote.log, state);
      const { storeId } = new HeadSigner(reader.directory);
      return await use({ bookId, storeId, log: remote.log, blobs: remote.blobs, reader });
    } finally {
      await remote.close();
    }
  }, bookId);
}
