/** Owns what `pfs push`, `pfs pull` and `pfs sync` have in common: doing it, showing how far it is and what came of it. */
import { StoreReader } from "../../lib/reader.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { listRemotes } from "../../lib/shared-rows.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import { BookSync, type SyncKind } from "../book-sync.ts";
import type { StoreOwner } from "../store-owner.ts";
import { type SyncEvent, type SyncSummary, syncEvents } from "../sync-events.ts";
import type { Context } from "./context.ts";
import { ProgressBar } from "./progress-bar.ts";
import { counted, readableSize } from "./text.ts";

/** Syncs one book. @throws as BookSync.run */
export async function syncBook(context: Context, bookId: BookId, kind: SyncKind): Promise<void> {
  const summary = await context.own({
    viaDaemon: (daemon) =>
      follow(daemon.stream("POST", `/books/${bookId}/sync`, { kind }) as AsyncIterable<SyncEvent>, kind),
    directly: (owner) =>
      withBookSync(owner, bookId, (sync, signal) => follow(syncEvents(sync, kind, signal), kind)),
  });
  show(context, summary, kind);
}

/** Calls `use` in this process, with what ends it when somebody interrupts the command. */
export async function withBookSync<Result>(
  owner: StoreOwner,
  bookId: BookId,
  use: (sync: BookSync, signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  await owner.findBook(bookId);
  const reader = StoreReader.openBeside(owner.storeDirectory);
  const sync = new BookSync({ bookId, reader, owner, counters: new RemoteCounters() });
  const abort = new AbortController();
  const stop = (): void => abort.abort(interrupted());
  process.once("SIGINT", stop).once("SIGTERM", stop);
  try {
    return await use(sync, abort.signal);
  } finally {
    process.off("SIGINT", stop).off("SIGTERM", stop);
    await sync.close();
    reader.close();
  }
}

/** The books of the store that are shared. @throws as StoreReader.open */
export function sharedBooks(storeDirectory: string): BookId[] {
  const reader = StoreReader.open(storeDirectory);
  try {
    return listRemotes(reader.database).map(({ bookId }) => bookId);
  } finally {
    reader.close();
  }
}

function interrupted(): PfsError {
  return new PfsError("UNAVAILABLE", "The sync was interrupted.", {
    hint: "What was sent stays sent; the same command goes on from there.",
  });
}

function follow(events: AsyncIterable<SyncEvent>, kind: SyncKind): Promise<SyncSummary> {
  const [pulling, pushing] = [new ProgressBar("Pulling"), new ProgressBar("Pushing")];
  const done = pulling.follow(events, (event) => {
    const { sent_blobs, pushed_rows, total_blobs, total_rows, pulled_rows, total_pulled_rows } = event;
    // What others did comes first.
    if (kind === "pull" || (sent_blobs === 0 && pushed_rows === 0 && pulled_rows < total_pulled_rows))
      pulling.update(pulled_rows, total_pulled_rows, "changes");
    else pushing.update(sent_blobs + pushed_rows, total_blobs + total_rows, sizesOf(event));
  });
  return done.finally(() => pushing.end());
}

function sizesOf({ sent_bytes, total_bytes }: { sent_bytes: number; total_bytes: number }): string {
  return `${readableSize(sent_bytes)} of ${readableSize(total_bytes)}`;
}

function show({ output }: Context, summary: SyncSummary, kind: SyncKind): void {
  const { type: _, ...object } = summary;
  output.put(object);
  const { book, pushed, pulled, conflicts, refused, sent_blobs, sent_bytes } = summary;
  const brought = `${counted(pulled, "change")} of others pulled`;
  const sent = `${counted(pushed, "change")} pushed (${counted(sent_blobs, "blob")}, ${readableSize(sent_bytes)})`;
  const copies = summary.published === 0 ? "" : `, ${counted(summary.published, "file")} published`;
  output.say(`${book}: ${kind === "push" ? `${sent}, ${brought}${copies}` : brought}.`);
  for (const message of summary.not_published) output.say(`Not published: ${message}`);
  if (conflicts > 0)
    output.say(`${counted(conflicts, "conflict")} came of it; \`pfs conflicts\` lists them.`);
  if (refused > 0)
    output.say(
      `${counted(refused, "row")} of the remote had no place in the book; .pfs/errors.jsonl says why.`,
    );
}
