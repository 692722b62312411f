/** `pfs revert`: gives up what a user's overlay has, so that the base shows again. */
import type { Command } from "commander";
import type { RevertedPath } from "../../lib/worktree/revert.ts";
import { PfsError } from "../../schema/errors.ts";
import { type BookId, parseBookId, parseUserId, type UserId } from "../../schema/ids.ts";
import { DEFAULT_AGENT, findAgent } from "../default-agent.ts";
import { currentActor } from "../plain-actor.ts";
import type { ContextOf } from "./command.ts";
import { type Context, statusOf } from "./context.ts";
import { findInMounts } from "./log-place.ts";
import { listedName } from "./output.ts";
import { counted } from "./text.ts";

interface RevertOptions {
  readonly user?: string;
  readonly all?: true;
  readonly agent?: string;
}

/** Which overlay, and what of it. */
interface Target {
  readonly bookId: BookId;
  readonly userId: UserId;
  readonly paths: readonly string[];
}

const done: Readonly<Record<RevertedPath["was"], string>> = {
  changed: "is the base's again",
  added: "is gone: the base has none",
  hidden: "shows again",
  directory: "is gone, a directory of the overlay's own",
};

export function addRevert(program: Command, contextOf: ContextOf): void {
  program
    .command("revert")
    .summary("give up what a user's overlay has; the base shows again")
    .description(
      "Gives up what a user has changed, added or hidden, so that the base shows again: of files, or of everything below " +
        "directories. Paths are of files in the user's mount; with --user the first word is the book, and paths are its.",
    )
    .argument("<path...>", "with --user: BOOK [PATH…]")
    .option("--user <user>", "whose overlay")
    .option("--all", "with --user: all of it")
    .option("--agent <name>", `who answers for it (default: ${DEFAULT_AGENT})`)
    .addHelpText(
      "after",
      "\nExamples:\n  pfs revert ./alice/content/01-Part/01-Chapter/01-lesson.md" +
        "\n  pfs revert my-book content/01-Part --user alice\n  pfs revert my-book --user alice --all",
    )
    .action(async (words: string[], options: RevertOptions, command: Command) => {
      const context = contextOf(command);
      const actor = currentActor(findAgent(options.agent));
      const target = await findTarget(context, words, options);
      const { bookId, userId, paths } = target;
      const reverted = await context.own<readonly RevertedPath[]>({
        viaDaemon: async (daemon) => {
          const route = `/books/${bookId}/overlays/${userId}/revert`;
          const rows: RevertedPath[] = [];
          for await (const row of daemon.stream("POST", route, { paths, actor }))
            rows.push(row as RevertedPath);
          return rows;
        },
        directly: (owner) => owner.revert({ ...target, actor }),
      });
      for (const row of reverted) {
        context.output.put(row);
        context.output.say(`${listedName(row.path)} ${done[row.was]}`);
      }
      context.output.say(
        reverted.length === 0
          ? `${userId} has nothing of their own there.`
          : `Reverted ${counted(reverted.length, "path")} of ${userId}'s overlay over ${bookId}.`,
      );
    });
}

/** @throws PfsError USAGE */
async function findTarget(context: Context, words: string[], options: RevertOptions): Promise<Target> {
  const { user, all } = options;
  const [first, ...rest] = words;
  if (user !== undefined) {
    if ((rest.length === 0) !== (all === true)) {
      throw usage(
        all === true ? "--all and paths exclude each other." : "Name paths of the book, or say --all.",
      );
    }
    const paths = all === true ? [""] : rest.map((path) => path.replace(/^(\.\/)+/, "").replace(/\/+$/, ""));
    if (all !== true && paths.includes(""))
      throw usage("An empty path would be all of the overlay: say --all.");
    return { bookId: parseBookId(first as string), userId: parseUserId(user), paths };
  }
  const daemon = await context.daemon();
  const mounts = daemon === undefined ? [] : (await statusOf(daemon)).mounts;
  const places = await Promise.all(words.map((word) => findInMounts(word, mounts)));
  const [place] = places;
  if (place?.book === undefined || place.user == null)
    throw usage(`${first} is not in a mount of a user; name the book, the path in it, and --user.`);
  if (places.some((each) => each?.book !== place.book || each?.user !== place.user))
    throw usage("The paths are not all in mounts of one user.");
  return { bookId: place.book, userId: place.user, paths: places.map((each) => each?.path ?? "") };
}

function usage(message: string): PfsError {
  return new PfsError("USAGE", message, { hint: "`pfs revert --help` has examples." });
}
