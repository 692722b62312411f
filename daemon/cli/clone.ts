/** `pfs clone`: brings a book that others share into the store. */
import type { Command } from "commander";
import { PfsError } from "../../schema/errors.ts";
import { parseBookId } from "../../schema/ids.ts";
import { findRemoteUrls } from "../remote-urls.ts";
import { type CloneEvent, cloneEvents } from "../sync-events.ts";
import type { ContextOf } from "./command.ts";
import { ProgressBar } from "./progress-bar.ts";
import { URL_HELP } from "./remote.ts";
import { counted } from "./text.ts";

export function addClone(program: Command, contextOf: ContextOf): void {
  program
    .command("clone")
    .summary("bring a book that others share")
    .description(
      "Brings a book that others share into this store, and shares it from here, too: what it is and which files it has, with " +
        "the inode numbers that they have there. Bytes come when a file is read. A clone that was cut off goes on when " +
        "it is asked for again.",
    )
    .argument("<url-and-book...>", `URL… BOOK: ${URL_HELP}; then the book's name`)
    .addHelpText("after", "\nExample:\n  pfs clone file:///mnt/share/books my-book")
    .action(async (words: string[], _options: object, command: Command) => {
      const context = contextOf(command);
      const book = words.at(-1) ?? "";
      if (book.includes("://"))
        throw new PfsError("USAGE", "The book's name comes last: pfs clone URL BOOK.");
      const bookId = parseBookId(book);
      const urls = findRemoteUrls(words.slice(0, -1));
      const body = { book: bookId, log: urls.logUrl, blobs: urls.blobsUrl };
      const { type: _, ...summary } = await context.own({
        viaDaemon: (daemon) => follow(daemon.stream("POST", "/clone", body) as AsyncIterable<CloneEvent>),
        directly: (owner) => follow(cloneEvents(owner, { bookId, urls })),
      });
      context.output.put(summary);
      context.output.say(`Cloned ${bookId}: ${counted(summary.files, "file")}, schema ${summary.profile}.`);
    });
}

function follow(events: AsyncIterable<CloneEvent>): Promise<Extract<CloneEvent, { type: "done" }>> {
  const bar = new ProgressBar("Cloning");
  return bar.follow(events, ({ files }) => bar.count(counted(files, "file")));
}
