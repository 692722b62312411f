/** `pfs repair`: mends what can be mended of a damaged store. */
import type { Command } from "commander";
import { repairStore } from "../../lib/repair.ts";
import { repairRemote } from "../../lib/sync/repair-remote.ts";
import type { Finding } from "../../lib/verify.ts";
import { PfsError } from "../../schema/errors.ts";
import { parseBookId } from "../../schema/ids.ts";
import { CheckNotes } from "../check-notes.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import { Told } from "./failure.ts";
import { withRemoteOf } from "./remote-parts.ts";
import { counted } from "./text.ts";

export function addRepair(program: Command, contextOf: ContextOf): void {
  program
    .command("repair")
    .summary("mend what can be mended of a damaged store")
    .description(
      "Makes the journal what the log says, puts files and directories where their paths say, makes indices and triggers " +
        "anew, and removes bad bytes where good ones are to be had. The log is never changed, and bytes that anything names " +
        "are never thrown away. Then it says what only a backup can bring back. No daemon may run on the store. With --remote " +
        "it mends what the remote has of a book in place of the store: bytes are sent again from here, published files are " +
        "made what the log says; a daemon may go on working.",
    )
    .option("--remote <book>", "mend the remote that this book is shared on")
    .option("--rehash", "with --remote: read every byte there, too")
    .addHelpText(
      "after",
      "\nExit codes: 1 when something is left.\n\nExample:\n  pfs stop && cp -a /var/lib/pfs /mnt/before && pfs repair\n  pfs repair --remote my-book",
    )
    .action(async ({ remote, rehash = false }: RepairOptions, command: Command) => {
      const context = contextOf(command);
      const { output } = context;
      if (remote !== undefined) {
        await mendRemote(context, remote, rehash);
        return;
      }
      if ((await context.daemon()) !== undefined)
        throw new PfsError("STORE_BUSY", `A daemon works on the store ${context.storeDirectory}.`, {
          hint: "End it first with `pfs stop`, and keep a copy of the store.",
        });
      const { mended, left } = await repairStore(context.storeDirectory);
      for (const each of mended) {
        output.put({ outcome: "mended", ...each });
        output.say(`mended ${each.rule} ${each.subject}: ${each.message}`);
      }
      noteRepaired(context.storeDirectory, left);
      showLeft(context, mended.length, left, "The store");
    });
}

interface RepairOptions {
  readonly remote?: string;
  readonly rehash?: boolean;
}

async function mendRemote(context: Context, book: string, rehash: boolean): Promise<void> {
  const { sent, published, left } = await withRemoteOf(context, book, (parts) =>
    repairRemote(parts, { rehash }),
  );
  const mended = [
    ...sent.map((subject) => ({ rule: "R2", subject, message: "Its bytes were sent again." })),
    ...published.map((subject) => ({
      rule: "published",
      subject,
      message: "It was made what the log says.",
    })),
  ];
  for (const each of mended) {
    context.output.put({ outcome: "mended", ...each });
    context.output.say(`mended ${each.rule} ${each.subject}: ${each.message}`);
  }
  await noteRemoteRepaired(context, book);
  showLeft(context, mended.length, left, `What the remote has of ${book}`);
}

/** The repair has looked at everything: what the next daemon says of the store is what is left. */
function noteRepaired(storeDirectory: string, left: readonly Finding[]): void {
  const notes = new CheckNotes(storeDirectory);
  if (left.some(({ severity }) => severity === "error")) notes.setDue("store");
  else notes.set("store", { checkedMs: Date.now(), differences: [] });
  notes.save();
}

/** What was known of the remote is not so any more: a daemon checks it again. */
async function noteRemoteRepaired(context: Context, book: string): Promise<void> {
  const daemon = await context.daemon();
  if (daemon !== undefined) {
    await daemon.call("POST", "/check", { book });
    return;
  }
  const notes = new CheckNotes(context.storeDirectory);
  notes.setDue(parseBookId(book));
  notes.save();
}

/** @throws Told when there is an error left */
function showLeft({ output }: Context, mended: number, left: readonly Finding[], what: string): void {
  for (const each of left) {
    output.put({ outcome: "left", ...each });
    output.say(`left ${each.severity} ${each.rule} ${each.subject}: ${each.message} ${each.hint}`);
  }
  const errors = left.filter(({ severity }) => severity === "error").length;
  const done = mended === 0 ? "Nothing was to be mended." : `Mended ${counted(mended, "damage")}.`;
  output.say(errors === 0 ? `${done} ${what} is sound.` : `${done} ${counted(errors, "error")} left.`);
  if (errors > 0) throw new Told();
}
