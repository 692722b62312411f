/** `pfs gc`: removes bytes that nothing needs any more. */
import type { Command } from "commander";
import { findGarbage } from "../../lib/garbage.ts";
import { StoreReader } from "../../lib/reader.ts";
import { collectRemote } from "../../lib/sync/collect-remote.ts";
import { type GarbageOutcome, removeGarbage } from "../garbage.ts";
import type { StoreOwner } from "../store-owner.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import { withRemoteOf } from "./remote-parts.ts";
import { counted, readableSize } from "./text.ts";

export function addGc(program: Command, contextOf: ContextOf): void {
  program
    .command("gc")
    .summary("remove bytes that nothing needs any more")
    .description(
      "Removes bytes that no version in the log, no file and no open conflict has, such as those of conflicts that were " +
        "decided, and files in objects/ that are nobody's. A daemon may go on working. What small bytes took of the " +
        "database is used again for what is saved next; the file itself does not shrink.",
    )
    .option("--dry-run", "only say what would be removed")
    .option(
      "--remote <book>",
      "remove blobs from the remote that this book is shared on, which no book's log there names and which are older than a day, and abort uploads that were begun a week ago",
    )
    .addHelpText("after", "\nExamples:\n  pfs gc --dry-run\n  pfs gc\n  pfs gc --remote my-book")
    .action(async ({ dryRun: isDry = false, remote }: GcOptions, command: Command) => {
      const context = contextOf(command);
      if (remote !== undefined) {
        await collectFrom(context, remote, isDry);
        return;
      }
      // What waits to be entered in the log must be there before anything is thought unneeded.
      await context.read(() => undefined);
      const outcome = await context.own<GarbageOutcome>({
        viaDaemon: async (daemon) => (await daemon.call("POST", "/gc", { dry_run: isDry })) as GarbageOutcome,
        directly: (owner) => collect(owner, isDry),
      });
      context.output.put(outcome);
      for (const line of sentences(outcome)) context.output.say(line);
    });
}

interface GcOptions {
  readonly dryRun?: boolean;
  readonly remote?: string;
}

async function collectFrom(context: Context, book: string, isDry: boolean): Promise<void> {
  const { blobs, sizeBytes, young, uploads } = await withRemoteOf(context, book, (parts) =>
    collectRemote(parts, { isDry }),
  );
  const { output } = context;
  output.put({ dry_run: isDry, blobs, size_bytes: sizeBytes, kept_young: young, uploads: uploads ?? null });
  const what = `${counted(blobs, "blob")} (${readableSize(sizeBytes)})`;
  output.say(blobs === 0 ? "There is nothing to remove." : `${isDry ? "Would remove" : "Removed"} ${what}.`);
  if (uploads !== undefined && uploads > 0)
    output.say(
      `${isDry ? "Would abort" : "Aborted"} ${counted(uploads, "upload")} that nobody goes on with.`,
    );
  if (young > 0) output.say(`${counted(young, "blob")} that nothing names stayed, younger than a day.`);
}

async function collect(owner: StoreOwner, isDry: boolean): Promise<GarbageOutcome> {
  const reader = StoreReader.openBeside(owner.storeDirectory);
  try {
    return await removeGarbage(owner, await findGarbage(reader), isDry);
  } finally {
    reader.close();
  }
}

function sentences({ dry_run, blobs, files, size_bytes, kept_for_remote }: GarbageOutcome): string[] {
  const count = blobs + files;
  const what = `${counted(blobs, "blob")} and ${counted(files, "stray file")} (${readableSize(size_bytes)})`;
  const first =
    count === 0 ? "There is nothing to remove." : `${dry_run ? "Would remove" : "Removed"} ${what}.`;
  if (kept_for_remote === 0) return [first];
  return [
    first,
    `${counted(kept_for_remote, "blob")} that nothing needs stayed, as no remote is known to have them.`,
  ];
}
