/** `pfs resolve`: decides about a save that was refused. */
import type { Command } from "commander";
import { type ConflictChoice, conflictChoices } from "../../lib/conflict-table.ts";
import { noConflict, type Resolution } from "../../lib/worktree/end-conflict.ts";
import { PfsError } from "../../schema/errors.ts";
import { DEFAULT_AGENT, findAgent } from "../default-agent.ts";
import { currentActor } from "../plain-actor.ts";
import type { ContextOf } from "./command.ts";

type ResolveOptions = { readonly [Choice in ConflictChoice]?: true } & { readonly agent?: string };

export function addResolve(program: Command, contextOf: ContextOf): void {
  program
    .command("resolve")
    .summary("decide about a save that was refused")
    .description(
      "Makes one version of a conflict the current one, and ends the conflict: the one that was refused, the one that is " +
        "in the book, or both merged. Refused when the file has changed since the conflict was last looked at.",
    )
    .argument("<id>", "as `pfs conflicts` lists it")
    .option("--mine", "what was refused")
    .option("--theirs", "what the book has: what was refused is given up")
    .option("--merged", "both, if they merge by themselves")
    .option("--agent <name>", `who answers for it (default: ${DEFAULT_AGENT})`)
    .addHelpText(
      "after",
      "\nExample:\n  diff ./book/.pfs/conflicts/3/theirs ./book/.pfs/conflicts/3/merged && pfs resolve 3 --merged",
    )
    .action(async (word: string, options: ResolveOptions, command: Command) => {
      const context = contextOf(command);
      const id = parseConflictId(word);
      const choice = chosen(options);
      const actor = currentActor(findAgent(options.agent));
      const conflicts = await context.read((reader) => reader.conflicts());
      if (!conflicts.some((conflict) => conflict.id === id)) throw noConflict(id);
      const resolution = await context.own<Resolution>({
        viaDaemon: async (daemon) =>
          (await daemon.call("POST", `/conflicts/${id}/resolve`, { choice, actor })) as Resolution,
        directly: (owner) => owner.resolveConflict({ id, choice, actor }),
      });
      context.output.put({ id, choice, ...resolution });
      context.output.say(`${resolution.path} has ${sentences[choice]}. Conflict ${id} is resolved.`);
    });
}

const sentences: Readonly<Record<ConflictChoice, string>> = {
  mine: "what was refused",
  theirs: "what it had; what was refused is given up",
  merged: "both versions, merged",
};

/** @throws PfsError USAGE */
function parseConflictId(word: string): number {
  if (/^[1-9][0-9]{0,14}$/.test(word)) return Number(word);
  throw new PfsError("USAGE", `${JSON.stringify(word)} is not the number of a conflict.`, {
    hint: "`pfs conflicts` lists them.",
  });
}

/** @throws PfsError USAGE */
function chosen(options: ResolveOptions): ConflictChoice {
  const [choice, ...more] = conflictChoices.filter((each) => options[each] === true);
  if (choice !== undefined && more.length === 0) return choice;
  throw new PfsError("USAGE", "Say which version it is to be: one of --mine, --theirs and --merged.", {
    hint: "The versions are in .pfs/conflicts/ID of each mount of the book.",
  });
}
