/** `pfs conflicts`: the saves that were refused and that nobody has decided about. */
import type { Command } from "commander";
import { conflictJson } from "../../lib/conflict-table.ts";
import { parseBookId } from "../../schema/ids.ts";
import type { ContextOf } from "./command.ts";
import { columns, counted, localTime } from "./text.ts";

export function addConflicts(program: Command, contextOf: ContextOf): void {
  program
    .command("conflicts")
    .summary("saves that were refused, to be decided about")
    .description(
      "Lists the saves that were refused because somebody else had changed the file meanwhile. What they carried is in " +
        ".pfs/conflicts/ID of each mount of the book, until `pfs resolve ID` or removing that folder ends the conflict.",
    )
    .argument("[book]", "only of this book")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs conflicts\n  pfs conflicts my-book --json | jq 'select(.merged)'",
    )
    .action(async (book: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const { output } = context;
      const bookId = book === undefined ? undefined : parseBookId(book);
      const conflicts = await context.read((reader) => reader.conflicts(bookId), bookId);
      for (const conflict of conflicts) output.put(conflictJson(conflict));
      const rows = conflicts.map(({ id, bookId, path, since, agent, command, merged }) => [
        `${id}`,
        bookId,
        path,
        localTime(since),
        command === "" ? agent : `${agent} (${command})`,
        merged === null ? "does not merge by itself" : "merges",
      ]);
      for (const line of columns(rows)) output.say(line);
      if (rows.length === 0) output.say("There are no conflicts.");
      else
        output.say(`${counted(rows.length, "conflict")}: \`pfs resolve ID --mine\`, --theirs or --merged.`);
    });
}
