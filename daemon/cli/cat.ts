/** `pfs cat`: a file's bytes, or the hash of its version. */
import type { Command } from "commander";
import { overlayChanges } from "../../lib/overlays.ts";
import { pastViewOf } from "../../lib/past/past-view-of.ts";
import { resolveReference } from "../../lib/past/position.ts";
import type { BookFile, StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import { type BookId, parseBookId, parseUserId, type UserId } from "../../schema/ids.ts";
import { REFERENCE_FORMS } from "../../schema/reference.ts";
import { fileJson } from "../file-json.ts";
import { placesInBook } from "./book-paths.ts";
import type { ContextOf } from "./command.ts";
import { writeBytes } from "./write-bytes.ts";

interface CatOptions {
  readonly hash?: true;
  readonly user?: string;
  readonly at?: string;
}

/** Which state of a file is meant. */
interface Wanted {
  readonly bookId: BookId;
  readonly path: string;
  readonly userId: UserId | undefined;
  readonly at: string | undefined;
}

export function addCat(program: Command, contextOf: ContextOf): void {
  program
    .command("cat")
    .summary("a file, or its hash")
    .description(
      "Writes a file of the book to standard output, byte for byte; verified: damaged bytes end in exit code 1. With " +
        "--hash it prints the hash of its version, which `pfs write --expect` takes.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .argument("<path>", "of a file, in the book or in a mount of it")
    .option("--hash", "only the hash of the version that there is")
    .option(
      "--user <user>",
      "as this user sees it (default: that of the mount that PATH is in, else the base)",
    )
    .option("--at <ref>", `as it was: ${REFERENCE_FORMS}`)
    .addHelpText(
      "after",
      "\nWith --json it says what is known of the file instead.\n\nExamples:\n" +
        "  pfs cat my-book content/01-Part/01-Chapter/01-lesson.md\n" +
        "  pfs cat --hash my-book content/01-Part/01-Chapter/01-lesson.md",
    )
    .action(async (book: string, word: string, { hash, user, at }: CatOptions, command: Command) => {
      const context = contextOf(command);
      const { output } = context;
      const bookId = parseBookId(book);
      const [place] = await placesInBook(context, bookId, [word]);
      const mounted = at === undefined ? (place?.user ?? undefined) : undefined;
      const userId = user === undefined ? mounted : parseUserId(user);
      const wanted = { bookId, path: place?.path ?? "", userId, at };
      await context.read(async (reader) => {
        const file = findFile(reader, wanted);
        output.put(fileJson(file));
        if (output.json) return;
        if (hash === true) output.say(file.sha256);
        else await writeBytes(reader, file);
      }, bookId);
    });
}

/** @throws PfsError NOT_FOUND */
function findFile(reader: StoreReader, { bookId, path, userId, at }: Wanted): BookFile {
  reader.book(bookId);
  const file =
    at !== undefined
      ? pastViewOf(reader.database, bookId, userId).file(path, resolveReference(reader.database, bookId, at))
      : userId === undefined
        ? reader.file(bookId, path)
        : fileOfUser(reader, bookId, path, userId);
  if (file !== undefined) return file;
  throw new PfsError(
    "NOT_FOUND",
    `There is no file ${path || "/"} in ${bookId}${at === undefined ? "" : ` at ${at}`}.`,
    {
      path,
      hint: `\`pfs ls ${bookId}\` lists the files; paths are relative to the book's root.`,
    },
  );
}

function fileOfUser(reader: StoreReader, bookId: BookId, path: string, userId: UserId): BookFile | undefined {
  const change = overlayChanges(reader, bookId, userId, path).find((each) => each.path === path);
  return change === undefined ? reader.file(bookId, path) : change.after;
}
