/** `pfs backup`: a copy of the whole store in one file, made while others work. */
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, resolve } from "node:path";
import type { Command } from "commander";
import { type BackupOutcome, writeBackup } from "../../lib/backup/write-backup.ts";
import type { StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import type { ContextOf } from "./command.ts";
import { Told } from "./failure.ts";
import { ProgressBar } from "./progress-bar.ts";
import { makeTargetFile } from "./target-file.ts";
import { counted, readableSize } from "./text.ts";
import { warn } from "./warn.ts";

const STANDARD_OUTPUT = "-";
const NOT_WHOLE_EXIT = 3;
const SHOWN_ERRORS = 5;

export function addBackup(program: Command, contextOf: ContextOf): void {
  program
    .command("backup")
    .summary("copy the whole store to one file, while others work")
    .description(
      "Writes a tar archive of the whole store, as it is at one moment: all books, their log, every version, overlays, " +
        "conflicts, what editors and git keep beside the books, and the key that signs the log, so keep it as safe as the " +
        "store. Bytes that are on a remote only are not in it: `pfs prefetch BOOK --history` brings them first. A daemon may go " +
        "on working. What is written is verified.",
    )
    .argument("<file>", "the file to make; - is standard output")
    .option("--force", "replace a file that is there")
    .addHelpText(
      "after",
      "\nExit codes: 3 when the backup was made and the store is damaged, and so the backup is, too.\n\n" +
        "Examples:\n  pfs backup /mnt/backup/pfs-$(date +%F).tar\n  pfs backup - | zstd | ssh host 'cat > pfs.tar.zst'",
    )
    .action(async (target: string, { force = false }: { force?: boolean }, command: Command) => {
      const context = contextOf(command);
      const isPiped = target === STANDARD_OUTPUT;
      if (isPiped && process.stdout.isTTY)
        throw new PfsError("USAGE", "A backup is not for a terminal.", { hint: "Send it to a file." });
      const outcome = await context.read((reader) =>
        isPiped ? pipe(reader) : makeTargetFile(target, { force }, (file) => write(reader, target, file)),
      );
      const { seq, entryHash, files, sizeBytes, errors } = outcome;
      const file = isPiped ? null : resolve(target);
      const json = { file, seq, entry_hash: entryHash, files, size_bytes: sizeBytes, errors };
      if (!isPiped) context.output.put(json);
      else if (context.output.json) process.stderr.write(`${JSON.stringify(json)}\n`);
      if (!isPiped)
        context.output.say(
          `Backed up the store up to row ${seq} in ${file}: ${counted(files, "file")}, ${readableSize(sizeBytes)}.`,
        );
      if (errors.length > 0) tellDamage(errors);
    });
}

async function write(reader: StoreReader, target: string, file: FileHandle): Promise<BackupOutcome> {
  // The key that signs the log is in it.
  await file.chmod(0o600);
  const outcome = await withBar((onProgress) =>
    writeBackup(reader, (bytes) => file.writeFile(bytes), { temporaryIn: dirname(target), onProgress }),
  );
  await file.sync();
  return outcome;
}

async function pipe(reader: StoreReader): Promise<BackupOutcome> {
  const send = (bytes: Uint8Array) =>
    new Promise<void>((done) => void process.stdout.write(bytes, () => done()));
  return await withBar((onProgress) => writeBackup(reader, send, { temporaryIn: tmpdir(), onProgress }));
}

async function withBar(
  use: (onProgress: (done: number, total: number, what: string) => void) => Promise<BackupOutcome>,
): Promise<BackupOutcome> {
  const bar = new ProgressBar("Backing up");
  try {
    return await use((done, total, what) => bar.update(done, total, what));
  } finally {
    bar.end();
  }
}

function tellDamage(errors: BackupOutcome["errors"]): never {
  for (const { message } of errors.slice(0, SHOWN_ERRORS)) warn(message);
  if (errors.length > SHOWN_ERRORS) warn(`And ${errors.length - SHOWN_ERRORS} more.`);
  warn("The store is damaged, and so is this backup: keep the one before. `pfs repair` mends what it can.");
  throw new Told(NOT_WHOLE_EXIT);
}
