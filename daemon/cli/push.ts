/** `pfs push`: send what was changed here. */
import type { Command } from "commander";
import { parseBookId } from "../../schema/ids.ts";
import type { ContextOf } from "./command.ts";
import { syncBook } from "./sync-run.ts";

export function addPush(program: Command, contextOf: ContextOf): void {
  program
    .command("push")
    .summary("send what was changed here")
    .description(
      "Sends what was changed here to where the book is shared, bytes before the rows of the log that name them, and brings what others did first. What was cut off goes on where it was.",
    )
    .argument("<book>", "a book that is shared")
    .addHelpText("after", "\nExample:\n  pfs push my-book")
    .action((book: string, _options: object, command: Command) =>
      syncBook(contextOf(command), parseBookId(book), "push"),
    );
}
