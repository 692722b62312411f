/** `pfs pull`: bring what others did. */
import type { Command } from "commander";
import { parseBookId } from "../../schema/ids.ts";
import type { ContextOf } from "./command.ts";
import { syncBook } from "./sync-run.ts";

export function addPull(program: Command, contextOf: ContextOf): void {
  program
    .command("pull")
    .summary("bring what others did")
    .description(
      "Brings what others did to a shared book. What was changed here as well is merged where it can be, line by line; what cannot be is kept as a conflict.",
    )
    .argument("<book>", "a book that is shared")
    .addHelpText("after", "\nExample:\n  pfs pull my-book")
    .action((book: string, _options: object, command: Command) =>
      syncBook(contextOf(command), parseBookId(book), "pull"),
    );
}
