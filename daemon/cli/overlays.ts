/** `pfs overlays`: who has an overlay over a book. */
import type { Command } from "commander";
import { listOverlays } from "../../lib/overlays.ts";
import { parseBookId } from "../../schema/ids.ts";
import type { ContextOf } from "./command.ts";
import { columns, counted, localTime, readableSize } from "./text.ts";

export function addOverlays(program: Command, contextOf: ContextOf): void {
  program
    .command("overlays")
    .summary("who has an overlay over a book")
    .description(
      "Lists the users who have something of their own over a book: files that they changed or added, and names of the " +
        "base that they do not see. `pfs mount BOOK DIR -o user=NAME` shows it.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .addHelpText("after", "\nExamples:\n  pfs overlays my-book\n  pfs overlays my-book --json | jq -r .user")
    .action(async (book: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const { output } = context;
      const bookId = parseBookId(book);
      const overlays = await context.read((reader) => listOverlays(reader, bookId), bookId);
      for (const overlay of overlays) output.put(overlay);
      const rows = overlays.map(({ user, changed, added, hidden, bytes, last_change }) => [
        user,
        `${changed} changed`,
        `${added} added`,
        `${hidden} hidden`,
        readableSize(bytes),
        last_change === null ? "" : localTime(last_change),
      ]);
      for (const line of columns(rows)) output.say(line);
      output.say(
        rows.length === 0 ? `Nobody has an overlay over ${bookId}.` : counted(rows.length, "overlay"),
      );
    });
}
