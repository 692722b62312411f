/** `pfs prefetch`: fetches the bytes of a book that are on its remote only. */
import type { Command } from "commander";
import { PfsError } from "../../schema/errors.ts";
import { parseBookId } from "../../schema/ids.ts";
import { type PrefetchEvent, prefetchEvents } from "../sync-events.ts";
import type { ContextOf } from "./command.ts";
import { ProgressBar } from "./progress-bar.ts";
import { withBookSync } from "./sync-run.ts";
import { counted, readableSize } from "./text.ts";

type PrefetchSummary = Extract<PrefetchEvent, { type: "done" }>;

export function addPrefetch(program: Command, contextOf: ContextOf): void {
  program
    .command("prefetch")
    .summary("fetch the bytes of a shared book")
    .description(
      "Fetches what is on the remote only of the files that a book has now, so that they can be read offline.",
    )
    .argument("<book>", "a book that is shared")
    .option("--history", "also of older versions: all that the log names")
    .addHelpText("after", "\nExamples:\n  pfs prefetch my-book\n  pfs prefetch my-book --history")
    .action(async (book: string, { history = false }: { history?: boolean }, command: Command) => {
      const context = contextOf(command);
      const { output } = context;
      const bookId = parseBookId(book);
      const { type: _, ...summary } = await context.own({
        viaDaemon: (daemon) =>
          follow(
            daemon.stream("POST", `/books/${bookId}/prefetch`, { history }) as AsyncIterable<PrefetchEvent>,
          ),
        directly: (owner) =>
          withBookSync(owner, bookId, (sync, signal) => follow(prefetchEvents(sync, history, signal))),
      });
      output.put(summary);
      output.say(`${bookId}: fetched ${counted(summary.blobs, "blob")} (${readableSize(summary.bytes)}).`);
      if (summary.failed > 0)
        throw new PfsError(
          "UNAVAILABLE",
          `The remote lacks ${counted(summary.failed, "blob")} of ${bookId}.`,
          {
            hint: "Another machine may have them: `pfs verify` there.",
          },
        );
    });
}

function follow(events: AsyncIterable<PrefetchEvent>): Promise<PrefetchSummary> {
  const bar = new ProgressBar("Fetching");
  return bar.follow(events, ({ blobs, total_blobs, bytes, total_bytes }) =>
    bar.update(blobs, total_blobs, `${readableSize(bytes)} of ${readableSize(total_bytes)}`),
  );
}
