/** `pfs manifest`: which files a book has, as lines that hash to its manifest hash. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import type { Command } from "commander";
import { manifestLines } from "../../lib/manifest.ts";
import { resolveReference } from "../../lib/past/position.ts";
import type { StoreReader } from "../../lib/reader.ts";
import { type BlobHash, type BookId, parseBookId, type Seq } from "../../schema/ids.ts";
import { REFERENCE_FORMS } from "../../schema/reference.ts";
import type { ContextOf } from "./command.ts";
import { rememberManifest } from "./told-manifest.ts";

/** A book's manifest at a position. */
interface Told {
  readonly manifestHash: BlobHash;
  readonly seq: Seq;
  readonly files: number;
}

export function addManifest(program: Command, contextOf: ContextOf): void {
  program
    .command("manifest")
    .summary("path and hash of every file, and the hash of it all")
    .description(
      "Prints a line PATH:SHA256 for each file of the book, sorted bytewise. The SHA-256 of exactly these lines is the " +
        "manifest hash: it names this state of the book from then on.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .argument("[ref]", `of a past state: ${REFERENCE_FORMS}`)
    .option("--hash", "the manifest hash alone")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs manifest my-book --hash\n  pfs manifest my-book 2h | sha256sum\n  pfs mount my-book ./look -o at=$(pfs manifest my-book --hash)",
    )
    .action(
      async (
        book: string,
        reference: string | undefined,
        { hash = false }: { hash?: boolean },
        command: Command,
      ) => {
        const context = contextOf(command);
        const bookId = parseBookId(book);
        const printsLines = !hash && !context.output.json;
        const told = await context.read((reader) => tell(reader, bookId, reference, printsLines), bookId);
        await rememberManifest(context, bookId, told);
        if (hash) context.output.say(told.manifestHash);
        context.output.put({
          book: bookId,
          position: told.seq,
          manifest_hash: told.manifestHash,
          files: told.files,
        });
      },
    );
}

async function tell(
  reader: StoreReader,
  bookId: BookId,
  reference: string | undefined,
  printsLines: boolean,
): Promise<Told> {
  reader.book(bookId);
  const { database } = reader;
  const seq =
    reference === undefined ? (reader.head().seq as Seq) : resolveReference(database, bookId, reference);
  const digest = createHash("sha256");
  let files = 0;
  for (const line of manifestLines(database, bookId, seq)) {
    files++;
    digest.update(`${line}\n`);
    if (printsLines && !process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
  }
  return { manifestHash: digest.digest("hex") as BlobHash, seq, files };
}
