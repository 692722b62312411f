/** `pfs export`: writes a book's files to a directory, or what has changed of them since it was last written. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { exportBook } from "../../lib/export.ts";
import { exportChanges } from "../../lib/export-changes.ts";
import { findManifestHash, type ManifestPosition } from "../../lib/manifest.ts";
import { positionOfManifest } from "../../lib/plan.ts";
import { PfsError } from "../../schema/errors.ts";
import { type BookId, parseBookId } from "../../schema/ids.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import { ProgressBar } from "./progress-bar.ts";
import { counted, readableSize } from "./text.ts";
import { rememberManifest, tellManifest } from "./told-manifest.ts";

interface Options {
  readonly force?: boolean;
  readonly since?: string;
}

/** What is exported where. */
interface Task {
  readonly bookId: BookId;
  /** As it was named, for people. */
  readonly dir: string;
  readonly force: boolean;
}

export function addExport(program: Command, contextOf: ContextOf): void {
  program
    .command("export")
    .summary("write a book's files to a directory")
    .description(
      "Writes a book's files, byte for byte, to a directory, which is made if it is not there, and prints the manifest hash of " +
        "what it wrote. With --since it brings such a directory up to date: only what has changed is written, and what was " +
        "deleted is deleted. If it was killed, the same command finishes it.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .argument("<dir>", "to write to")
    .option("--since <hash>", "the manifest hash of what is in the directory, or its first 8 digits")
    .option(
      "--force",
      "also into a directory that is not empty; what the book does not have stays in it. With --since: also over what " +
        "somebody changed there",
    )
    .addHelpText(
      "after",
      "\nExamples:\n  pfs export my-book ./copy\n  pfs export my-book ./copy --since $(cat last) --json | jq -r .manifest_hash > next",
    )
    .action(async (book: string, dir: string, { force = false, since }: Options, command: Command) => {
      const context = contextOf(command);
      const task = { bookId: parseBookId(book), dir, force };
      if (since === undefined) await exportWhole(context, task);
      else await exportSince(context, task, since);
    });
}

async function exportWhole(context: Context, { bookId, dir, force }: Task): Promise<void> {
  const bar = new ProgressBar("Exporting");
  const onProgress = ({ files, totalFiles }: { files: number; totalFiles: number }): void =>
    bar.update(files, totalFiles);
  const exported = await context
    .read((reader) => exportBook(reader, bookId, resolve(dir), { force, onProgress }), bookId)
    .finally(() => bar.end());
  const { files, symlinks, directories, sizeBytes } = exported;
  const manifestHash = (await keepManifest(context, bookId, exported)) ? exported.manifestHash : null;
  context.output.say(
    `Exported ${counted(files + symlinks, "file")} (${readableSize(sizeBytes)}) of ${bookId} to ${dir}.`,
  );
  context.output.say(
    manifestHash === null
      ? "Its manifest hash was not kept, as another program has the store: --since will not know it."
      : `manifest  ${manifestHash}`,
  );
  context.output.put({
    book: bookId,
    directory: resolve(dir),
    files,
    symlinks,
    directories,
    size_bytes: sizeBytes,
    manifest_hash: manifestHash,
  });
}

/** An export needs nobody's leave: what was written is there, whoever has the store. */
async function keepManifest(context: Context, bookId: BookId, manifest: ManifestPosition): Promise<boolean> {
  try {
    await rememberManifest(context, bookId, manifest);
    return true;
  } catch (error) {
    if (error instanceof PfsError && error.code === "STORE_BUSY") return false;
    throw error;
  }
}

async function exportSince(context: Context, { bookId, dir, force }: Task, since: string): Promise<void> {
  const { manifestHash, seq: to } = await tellManifest(context, bookId);
  const { written, deleted, sizeBytes } = await context.read((reader) => {
    const target = findManifestHash(reader.database, bookId, since);
    const from = target === manifestHash ? to : positionOfManifest(reader.database, bookId, target);
    if (from === undefined) {
      throw new PfsError("NOT_FOUND", `The manifest ${target} of ${bookId} is not known here.`, {
        hint: "What has changed since cannot be told: export the whole book, without --since.",
      });
    }
    return exportChanges(reader, { bookId, from, to, directory: resolve(dir), force });
  }, bookId);
  context.output.say(
    written + deleted === 0
      ? `${dir} has everything that is in ${bookId}.`
      : `Wrote ${counted(written, "file")} (${readableSize(sizeBytes)}) of ${bookId} to ${dir}, and deleted ${deleted}.`,
  );
  context.output.say(`manifest  ${manifestHash}`);
  context.output.put({
    book: bookId,
    directory: resolve(dir),
    written,
    deleted,
    size_bytes: sizeBytes,
    manifest_hash: manifestHash,
  });
}
