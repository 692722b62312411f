/** `pfs show`: a file as it was. */
import type { Command } from "commander";
import { pastViewOf } from "../../lib/past/past-view-of.ts";
import { resolveReference } from "../../lib/past/position.ts";
import type { BookFile, StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import { type BookId, parseBookId, parseUserId, type Seq, type UserId } from "../../schema/ids.ts";
import { REFERENCE_FORMS } from "../../schema/reference.ts";
import { shellWord } from "../../schema/shell-word.ts";
import { fileJson } from "../file-json.ts";
import { pathsInBook } from "./book-paths.ts";
import type { ContextOf } from "./command.ts";
import { writeBytes } from "./write-bytes.ts";

export function addShow(program: Command, contextOf: ContextOf): void {
  program
    .command("show")
    .summary("a file as it was")
    .description("Writes a file of a past state of the book to standard output, byte for byte.")
    .argument("<book>", "its name, as `pfs ls` lists it")
    .argument("<ref>", REFERENCE_FORMS)
    .argument("<path>", "of a file")
    .option("--user <user>", "as this user saw it (default: the base)")
    .addHelpText(
      "after",
      "\nWith --json it says what is known of the file instead.\n\nExamples:\n" +
        "  pfs show my-book 2h content/01-Part/01-Chapter/01-lesson.md\n" +
        "  pfs show my-book 2025-11-25T21:46:00Z static/img/map.png > old-map.png",
    )
    .action(
      async (
        book: string,
        reference: string,
        word: string,
        { user }: { user?: string },
        command: Command,
      ) => {
        const context = contextOf(command);
        const bookId = parseBookId(book);
        const userId = user === undefined ? undefined : parseUserId(user);
        const [path = ""] = await pathsInBook(context, bookId, [word]);
        await context.read(async (reader) => {
          reader.book(bookId);
          const seq = resolveReference(reader.database, bookId, reference);
          const file = findFile(reader, { bookId, userId, seq, path });
          context.output.put({ ...fileJson(file), position: seq });
          if (!context.output.json) await writeBytes(reader, file);
        }, bookId);
      },
    );
}

interface Wanted {
  readonly bookId: BookId;
  /** Undefined: the base. */
  readonly userId: UserId | undefined;
  readonly seq: Seq;
  readonly path: string;
}

function findFile(reader: StoreReader, { bookId, userId, seq, path }: Wanted): BookFile {
  const files = pastViewOf(reader.database, bookId, userId);
  const file = files.file(path, seq);
  if (file !== undefined) return file;
  const isDirectory = files.hasDirectory(path, seq);
  const what = isDirectory ? `${path || "The root"} was a directory` : `There was no ${path}`;
  throw new PfsError("NOT_FOUND", `${what} in ${bookId} at position ${seq}.`, {
    path,
    hint: isDirectory
      ? `Name one of its files; \`pfs mount ${bookId} DIR -o at=${seq}\` shows them all.`
      : `\`pfs log ${bookId} ${shellWord(path)}\` tells its history; paths are relative to the book's root.`,
  });
}
