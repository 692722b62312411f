/** `pfs plan`: what has changed in a book since a state that somebody has built. */
import { once } from "node:events";
import type { Command } from "commander";
import { findManifestHash } from "../../lib/manifest.ts";
import {
  makePlan,
  type Plan,
  type PlannedFile,
  type PlanTarget,
  planPages,
  planText,
} from "../../lib/plan.ts";
import { parseBookId } from "../../schema/ids.ts";
import type { ContextOf } from "./command.ts";
import { listedName, type Output } from "./output.ts";
import { counted } from "./text.ts";
import { tellManifest } from "./told-manifest.ts";

export function addPlan(program: Command, contextOf: ContextOf): void {
  program
    .command("plan")
    .summary("what has changed since a state that was built")
    .description(
      "Lists the files that were added, modified or deleted since the book had a manifest hash, and says the present one: " +
        "build, and name it the next time. The same is in .pfs/plan/HASH of a mount. What was changed and changed back is not " +
        "in it.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .argument(
      "[hash]",
      "of `pfs manifest --hash` then, or its first 8 digits; without it every file is listed",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  pfs plan my-book\n  pfs plan my-book $(cat last-built) --json | jq -r .status\n" +
        "  pfs export my-book ./copy --since $(cat last-built)",
    )
    .action(async (book: string, hash: string | undefined, _options: object, command: Command) => {
      const context = contextOf(command);
      const bookId = parseBookId(book);
      const current = await tellManifest(context, bookId);
      await context.read(async ({ database }) => {
        const target = hash === undefined ? "all" : findManifestHash(database, bookId, hash);
        const { plan, query } = makePlan(database, bookId, target, current);
        await show(context.output, target, plan, planPages(database, query));
      }, bookId);
    });
}

async function show(
  output: Output,
  target: PlanTarget,
  plan: Plan,
  pages: Iterable<readonly PlannedFile[]>,
): Promise<void> {
  if (output.json) {
    for (const texts of planText(plan, pages, "")) await write(texts.join(""));
    return;
  }
  const counts = { added: 0, modified: 0, deleted: 0 };
  for (const files of pages) {
    for (const { change } of files) counts[change]++;
    await write(files.map(({ path, change }) => `${change.padEnd(8)}  ${listedName(path)}\n`).join(""));
  }
  if (plan.warning !== undefined) output.say(plan.warning);
  output.say(summaryOf(target, counts));
  output.say(`manifest  ${plan.manifest_hash}`);
}

function summaryOf(target: PlanTarget, { added, modified, deleted }: Record<PlannedFile["change"], number>) {
  if (target === "all") return `${counted(added, "file")} to build.`;
  const total = added + modified + deleted;
  if (total === 0) return `Nothing has changed since ${target.slice(0, 8)}.`;
  const parts = [`${added} added`, `${modified} modified`, `${deleted} deleted`];
  return `${counted(total, "file")} changed since ${target.slice(0, 8)}: ${parts.join(", ")}.`;
}

async function write(text: string): Promise<void> {
  if (text !== "" && !process.stdout.write(text)) await once(process.stdout, "drain");
}
