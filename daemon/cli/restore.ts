/** `pfs restore`: brings files back to what they were. */
import type { Command } from "commander";
import { type BookId, parseBookId } from "../../schema/ids.ts";
import { parseReference, REFERENCE_FORMS } from "../../schema/reference.ts";
import { DEFAULT_AGENT, findAgent } from "../default-agent.ts";
import { fetchForRestore } from "../fetch-for-restore.ts";
import { currentActor } from "../plain-actor.ts";
import type { RestoreResult } from "../thread-calls.ts";
import { pathsInBook } from "./book-paths.ts";
import type { ContextOf } from "./command.ts";
import { withOwnFetcher } from "./command-fetcher.ts";
import type { Output } from "./output.ts";
import { localTime } from "./text.ts";

export function addRestore(program: Command, contextOf: ContextOf): void {
  program
    .command("restore")
    .summary("bring files back to what they were")
    .description(
      "Brings files, or everything in a directory, back to a past state of the book: bytes and executable bit. Files that " +
        "were not in the directory then are removed. It is a change like any other: checked, in the log, and can be " +
        "taken back by another restore. Nothing is touched while somebody has unsaved changes of one of the files.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .argument("<ref>", REFERENCE_FORMS)
    .argument("<path...>", "files or directories; . is the whole book")
    .option("--agent <name>", `who answers for the change (default: ${DEFAULT_AGENT})`)
    .addHelpText(
      "after",
      "\nExamples:\n  pfs restore my-book 2h content/01-Part/01-Chapter/01-lesson.md\n" +
        "  pfs restore my-book 4711 content/02-Part\n  pfs diff my-book 4711 content/02-Part     what a restore would undo",
    )
    .action(
      async (
        book: string,
        reference: string,
        words: string[],
        { agent }: { agent?: string },
        command: Command,
      ) => {
        const context = contextOf(command);
        const bookId = parseBookId(book);
        parseReference(reference);
        const paths = await pathsInBook(context, bookId, words);
        const actor = currentActor(findAgent(agent));
        const result = await context.own<RestoreResult>({
          viaDaemon: async (daemon) =>
            (await daemon.call("POST", `/books/${bookId}/restore`, {
              reference,
              paths,
              actor,
            })) as RestoreResult,
          async directly(owner) {
            await owner.settle(bookId);
            await withOwnFetcher(owner, (reader, fetcher) =>
              fetchForRestore(reader, fetcher, { bookId, reference, paths }),
            );
            return await owner.restore({ bookId, reference, paths, actor });
          },
        });
        show(context.output, bookId, result);
      },
    );
}

function show(output: Output, bookId: BookId, { position, files }: RestoreResult): void {
  const counts = { updated: 0, recreated: 0, removed: 0, unchanged: 0 };
  for (const { path, outcome } of files) {
    counts[outcome]++;
    output.put({ book: bookId, position: position.seq, path, outcome });
    if (outcome !== "unchanged") output.say(`${outcome.padEnd(9)}  ${path}`);
  }
  const when = position.time === null ? "" : ` (${localTime(position.time)})`;
  const { updated, recreated, removed, unchanged } = counts;
  output.say(
    `As at position ${position.seq}${when}: ${updated} updated, ${recreated} recreated, ${removed} removed, ${unchanged} unchanged.`,
  );
}
