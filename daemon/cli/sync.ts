/** `pfs sync`: brings what others did and sends what was changed here, of one book or of all that are shared. */
import type { Command } from "commander";
import { parseBookId } from "../../schema/ids.ts";
import type { ContextOf } from "./command.ts";
import { sharedBooks, syncBook } from "./sync-run.ts";

export function addSync(program: Command, contextOf: ContextOf): void {
  program
    .command("sync")
    .summary("pull and push shared books, once")
    .description(
      "Brings what others did and sends what was changed here, once. A daemon that runs does so by itself, all the time: " +
        "`pfs status` says how that goes.",
    )
    .argument("[book]", "a book that is shared (default: all that are)")
    .addHelpText("after", "\nExample:\n  pfs sync")
    .action(async (book: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const books = book === undefined ? sharedBooks(context.storeDirectory) : [parseBookId(book)];
      for (const bookId of books) await syncBook(context, bookId, "push");
      if (books.length === 0) context.output.say("No book is shared; `pfs remote add BOOK URL…` shares one.");
    });
}
