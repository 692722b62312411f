/** `pfs publish-overlay`: does to the base what a user has done in the overlay. */
import type { Command } from "commander";
import type { PublishedPath } from "../../lib/worktree/publish-overlay.ts";
import { parseBookId, parseUserId } from "../../schema/ids.ts";
import { DEFAULT_AGENT, findAgent } from "../default-agent.ts";
import { currentActor } from "../plain-actor.ts";
import type { ContextOf } from "./command.ts";
import { Told } from "./failure.ts";
import { listedName } from "./output.ts";
import { counted } from "./text.ts";

interface PublishOptions {
  readonly user: string;
  readonly agent?: string;
}

export function addPublishOverlay(program: Command, contextOf: ContextOf): void {
  program
    .command("publish-overlay")
    .summary("do to the base what was done in a user's overlay")
    .description(
      "Publishes what a user has changed, added, moved or hidden: each path becomes the base's, if the base still has the " +
        "version that the user's began with. What was changed in the base meanwhile is refused; then nothing is published, " +
        "and all of it stays in the overlay.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .argument("[path...]", "files and directories of the book; none: all of the overlay")
    .requiredOption("--user <user>", "whose overlay")
    .option("--agent <name>", `who answers for it (default: ${DEFAULT_AGENT})`)
    .addHelpText(
      "after",
      "\nThe exit code is 1 when anything was refused; the paths that were held back for it can then be published by name." +
        "\n\nExamples:\n  pfs publish-overlay my-book --user alice\n  pfs publish-overlay my-book content/01-Part --user alice --json",
    )
    .action(async (book: string, words: string[], options: PublishOptions, command: Command) => {
      const context = contextOf(command);
      const { output } = context;
      const bookId = parseBookId(book);
      const userId = parseUserId(options.user);
      const actor = currentActor(findAgent(options.agent));
      const paths =
        words.length === 0 ? [""] : words.map((path) => path.replace(/^(\.\/)+/, "").replace(/\/+$/, ""));
      const published = await context.own<readonly PublishedPath[]>({
        viaDaemon: async (daemon) => {
          const route = `/books/${bookId}/overlays/${userId}/publish`;
          const rows: PublishedPath[] = [];
          for await (const row of daemon.stream("POST", route, { paths, actor }))
            rows.push(row as PublishedPath);
          return rows;
        },
        directly: (owner) => owner.publishOverlay({ bookId, userId, paths, actor }),
      });
      for (const row of published) {
        output.put(row);
        output.say(
          `${row.outcome.padEnd(9)}  ${listedName(row.path)}${row.reason === null ? "" : `: ${row.reason}`}`,
        );
      }
      const refused = published.filter(({ outcome }) => outcome === "refused").length;
      output.say(
        published.length === 0
          ? `${userId} has nothing of their own there.`
          : refused === 0
            ? `Published ${counted(published.length, "path")} of ${userId}'s overlay.`
            : `Nothing was published: ${refused} refused, ${published.length - refused} held back.`,
      );
      if (refused > 0) throw new Told();
    });
}
