/** `pfs restore-backup`: makes a store of a backup, where there is none. */
import { open } from "node:fs/promises";
import { Readable } from "node:stream";
import type { Command } from "commander";
import { restoreBackup } from "../../lib/backup/restore-backup.ts";
import { PfsError } from "../../schema/errors.ts";
import type { ContextOf } from "./command.ts";
import { ProgressBar } from "./progress-bar.ts";
import { counted, localTime, readableSize } from "./text.ts";

const STANDARD_INPUT = "-";

export function addRestoreBackup(program: Command, contextOf: ContextOf): void {
  program
    .command("restore-backup")
    .summary("make a store of a backup")
    .description(
      "Makes the store anew from a file that `pfs backup` made. Everything in it is checked before the store has its name; " +
        "what fails leaves nothing. A store that is there is never touched: name another directory with --store, or move it away.",
    )
    .argument("<file>", "the backup; - is standard input")
    .option("--even-damaged", "also if the store in the backup is damaged")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs restore-backup /mnt/backup/pfs-2026-01-31.tar\n  pfs --store /srv/look restore-backup old.tar",
    )
    .action(async (source: string, { evenDamaged = false }: { evenDamaged?: boolean }, command: Command) => {
      const context = contextOf(command);
      const bar = new ProgressBar("Restoring");
      const isPiped = source === STANDARD_INPUT;
      const restored = await restoreBackup(await bytesOf(source), context.storeDirectory, {
        source: isPiped ? "Standard input" : source,
        evenDamaged,
        onProgress: (done, total, what) => bar.update(done, total, what),
      }).finally(() => bar.end());
      const { info, files, sizeBytes, errors } = restored;
      const store = context.storeDirectory;
      context.output.put({ store, ...info, files, size_bytes: sizeBytes, errors });
      const what = `${counted(files, "file")}, ${readableSize(sizeBytes)}`;
      context.output.say(
        `Restored ${store} as it was at ${localTime(info.time)}, up to row ${info.seq} of its log: ${what}.`,
      );
      if (errors.length > 0)
        context.output.say(`${counted(errors.length, "error")} came with it; \`pfs verify\` names them.`);
    });
}

async function bytesOf(source: string): Promise<ReadableStream<Uint8Array>> {
  if (source === STANDARD_INPUT) return Readable.toWeb(process.stdin) as ReadableStream<Uint8Array>;
  const file = await open(source, "r").catch((error: NodeJS.ErrnoException) => {
    const why = error.code === "ENOENT" ? "there is no such file" : error.code;
    throw new PfsError("NOT_FOUND", `The backup ${source} cannot be read: ${why}.`, {
      path: source,
      hint: "Name a file that `pfs backup` made.",
      cause: error,
    });
  });
  return Readable.toWeb(file.createReadStream()) as ReadableStream<Uint8Array>;
}
