/** `pfs ls`: lists the books, or a book's files. */
import type { Command } from "commander";
import type { BookFile, StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import { type BookId, parseBookId } from "../../schema/ids.ts";
import { fileJson } from "../file-json.ts";
import type { ContextOf } from "./command.ts";
import { listedName, type Output } from "./output.ts";
import { columns, counted, localTime, readableSize } from "./text.ts";

export function addLs(program: Command, contextOf: ContextOf): void {
  program
    .command("ls")
    .summary("list the books, or a book's files")
    .description("Lists the books of the store; with a book its files, all of them or those below a path.")
    .argument("[book]", "whose files to list")
    .argument("[path]", "a directory or a file of the book")
    .option("-l, --long", "with mode, size and time")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs ls\n  pfs ls my-book content/01-Foundations\n  pfs ls my-book --json | jq -r .sha256",
    )
    .action(
      async (
        book: string | undefined,
        path: string | undefined,
        { long = false }: { long?: boolean },
        command: Command,
      ) => {
        const context = contextOf(command);
        const { output } = context;
        if (book === undefined) return context.read((reader) => listBooks(reader, output));
        const bookId = parseBookId(book);
        return context.read(
          (reader) => listFiles(reader, output, { bookId, prefix: trim(path ?? ""), long }),
          bookId,
        );
      },
    );
}

function trim(path: string): string {
  return path.replace(/^(\.\/)+/, "").replace(/\/+$/, "");
}

function listBooks(reader: StoreReader, output: Output): void {
  const rows: string[][] = [];
  for (const { bookId, profile } of reader.listBooks()) {
    const { files, sizeBytes } = reader.countFiles(bookId);
    output.put({ book: bookId, profile: profile.name, files, size_bytes: sizeBytes });
    rows.push([bookId, profile.name, counted(files, "file"), readableSize(sizeBytes)]);
  }
  for (const line of columns(rows)) output.say(line);
  if (rows.length === 0)
    output.say("There are no books yet. Make one with `pfs init BOOK` or `pfs import BOOK DIR`.");
}

interface Listing {
  readonly bookId: BookId;
  readonly prefix: string;
  readonly long: boolean;
}

function listFiles(reader: StoreReader, output: Output, { bookId, prefix, long }: Listing): void {
  let count = 0;
  for (const file of reader.filesOf(bookId, prefix)) {
    count++;
    output.put(fileJson(file));
    if (!output.json) process.stdout.write(`${long ? longLine(file) : listedName(file.path)}\n`);
  }
  if (count === 0 && prefix !== "") {
    throw new PfsError("NOT_FOUND", `The book ${bookId} has no file at or below ${prefix}.`, {
      path: prefix,
      hint: `\`pfs ls ${bookId}\` lists all.`,
    });
  }
}

function longLine({ path, mode, sizeBytes, mtime }: BookFile): string {
  const time = localTime(new Date(mtime.seconds * 1000).toISOString());
  return `${mode.toString(8)}  ${String(sizeBytes).padStart(10)}  ${time}  ${listedName(path)}`;
}
