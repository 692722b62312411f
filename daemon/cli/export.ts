/** `pfs export`: writes a book's files to a directory. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { exportBook } from "../../lib/export.ts";
import { parseBookId } from "../../schema/ids.ts";
import type { ContextOf } from "./command.ts";
import { ProgressBar } from "./progress-bar.ts";
import { counted, readableSize } from "./text.ts";

export function addExport(program: Command, contextOf: ContextOf): void {
  program
    .command("export")
    .summary("write a book's files to a directory")
    .description("Writes a book's files, byte for byte, to a directory, which is made if it is not there.")
    .argument("<book>")
    .argument("<dir>")
    .option("--force", "also into a directory that is not empty; what the book does not have stays in it")
    .addHelpText("after", "\nExample:\n  pfs export my-book ./copy")
    .action(async (book: string, dir: string, { force = false }: { force?: boolean }, command: Command) => {
      const context = contextOf(command);
      const bookId = parseBookId(book);
      const bar = new ProgressBar("Exporting");
      const onProgress = ({ files, totalFiles }: { files: number; totalFiles: number }): void =>
        bar.update(files, totalFiles);
      const counts = await context
        .read((reader) => exportBook(reader, bookId, resolve(dir), { force, onProgress }), bookId)
        .finally(() => bar.end());
      const { files, symlinks, directories, sizeBytes } = counts;
      context.output.say(
        `Exported ${counted(files + symlinks, "file")} (${readableSize(sizeBytes)}) of ${bookId} to ${dir}.`,
      );
      context.output.put({
        book: bookId,
        directory: resolve(dir),
        files,
        symlinks,
        directories,
        size_bytes: sizeBytes,
      });
    });
}
