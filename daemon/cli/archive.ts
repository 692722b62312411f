/** `pfs archive`: a book as a ZIP archive. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { type ArchiveRequest, type AskedArchive, findArchive } from "../../lib/archive/archive-request.ts";
import { type ArchiveOutcome, BookArchive } from "../../lib/archive/book-archive.ts";
import { writeArchive } from "../../lib/archive/write-archive.ts";
import type { StoreReader } from "../../lib/reader.ts";
import { type ArchiveScope, archiveScopes } from "../../schema/archive-scope.ts";
import { PfsError } from "../../schema/errors.ts";
import { parseBookId, parseUserId } from "../../schema/ids.ts";
import { REFERENCE_FORMS } from "../../schema/reference.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import { Told } from "./failure.ts";
import { ProgressBar } from "./progress-bar.ts";
import { makeTargetFile } from "./target-file.ts";
import { counted, readableSize } from "./text.ts";
import { rememberManifest } from "./told-manifest.ts";
import { warn } from "./warn.ts";

interface ArchiveCommandOptions {
  readonly scope?: string;
  readonly user?: string;
  readonly at?: string;
  readonly output?: string;
  readonly force?: boolean;
  readonly timeout?: string;
  readonly resume?: string;
}

interface Made {
  readonly asked: AskedArchive;
  readonly outcome: ArchiveOutcome;
  /** Null: standard output. */
  readonly file: string | null;
  readonly archiveBytes: number;
}

const NOT_WHOLE_EXIT = 3;
const SHOWN_ERRORS = 5;
const STANDARD_OUTPUT = "-";

export function addArchive(program: Command, contextOf: ContextOf): void {
  program
    .command("archive")
    .summary("a book as a ZIP archive")
    .description(
      "Writes a book's files to a ZIP archive, with times (UTC), executable bits and symbolic links. It is of one state, " +
        "whatever is saved meanwhile; the same state gives the same bytes.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .option("--scope <scope>", "all, content, or assets, which is what is below static/; content is all else")
    .option("--user <user>", "what this user sees now, instead of the base")
    .option("--at <ref>", `a past state: ${REFERENCE_FORMS}`)
    .option("-o, --output <file>", "where to, - for standard output; default BOOK-MANIFESTHASH.zip, here")
    .option("--force", "replace a file that is there")
    .option("--timeout <seconds>", "begin no other file after that; a token for the rest is printed")
    .option("--resume <token>", "the rest of an archive that was broken off")
    .addHelpText(
      "after",
      "\nExit codes: 3 when the archive was made and is not whole: files whose bytes are damaged are in its ERRORS.json, and\n" +
        "with --timeout its PARTIAL.json says what follows." +
        "\n\nExamples:\n  pfs archive my-book\n  pfs archive my-book --scope content --at 7d -o last-week.zip\n  pfs archive my-book -o - | ssh host 'cat > my-book.zip'",
    )
    .action(async (book: string, options: ArchiveCommandOptions, command: Command) => {
      const startedMs = performance.now();
      const context = contextOf(command);
      const request: ArchiveRequest = {
        bookId: parseBookId(book),
        scope: options.scope === undefined ? undefined : parseScope(options.scope),
        userId: options.user === undefined ? undefined : parseUserId(options.user),
        reference: options.at,
        resume: options.resume,
      };
      const deadlineMs = startedMs + parseTimeout(options.timeout) * 1000;
      if (options.output === STANDARD_OUTPUT && process.stdout.isTTY)
        throw new PfsError("USAGE", "An archive is not for a terminal.", { hint: "Send it to a file." });
      const made = await context.read(
        (reader) => make(reader, request, { ...options, deadlineMs }),
        request.bookId,
      );
      // Its name has the hash.
      if (made.asked.view.userId === undefined) await remember(context, made.asked);
      tell(context, made);
    });
}

function parseScope(text: string): ArchiveScope {
  const scope = archiveScopes.find((each) => each === text);
  if (scope !== undefined) return scope;
  throw new PfsError("USAGE", `There is no scope ${text}.`, {
    hint: `There are ${archiveScopes.join(", ")}.`,
  });
}

/** Seconds; without one no end. */
function parseTimeout(text: string | undefined): number {
  if (text === undefined) return Number.POSITIVE_INFINITY;
  if (/^[0-9]+(\.[0-9]+)?$/.test(text)) return Number(text);
  throw new PfsError("USAGE", `--timeout takes seconds, not ${text}.`);
}

async function make(
  reader: StoreReader,
  request: ArchiveRequest,
  { output, force = false, deadlineMs }: ArchiveCommandOptions & { readonly deadlineMs: number },
): Promise<Made> {
  const asked = findArchive(reader, request);
  const { view, survey, after, part, fileName } = asked;
  const bar = new ProgressBar("Archiving");
  let [files, sizeBytes] = [0, 0];
  const archive = new BookArchive(reader, view, {
    after,
    part,
    deadlineMs,
    onFile: (file) => {
      sizeBytes += file.sizeBytes;
      bar.update(++files, survey.files, `${readableSize(sizeBytes)} of ${readableSize(survey.sizeBytes)}`);
    },
  });
  try {
    const isPiped = output === STANDARD_OUTPUT;
    const archiveBytes = isPiped
      ? await pipe(archive)
      : await makeTargetFile(output ?? fileName, { force }, (file) => writeArchive(archive, file));
    const { outcome } = archive;
    if (outcome.resume === undefined && outcome.files + outcome.errors.length !== survey.files)
      throw new Error(`${outcome.files} of ${survey.files} files were archived`);
    return { asked, outcome, file: isPiped ? null : resolve(output ?? fileName), archiveBytes };
  } finally {
    bar.end();
  }
}

async function pipe(archive: BookArchive): Promise<number> {
  let archiveBytes = 0;
  for await (const piece of archive.bytes()) {
    archiveBytes += piece.byteLength;
    // The piece is valid until the next is asked for.
    await new Promise<void>((done) => void process.stdout.write(piece, () => done()));
  }
  return archiveBytes;
}

function remember(context: Context, { view, survey }: AskedArchive): Promise<unknown> {
  return rememberManifest(context, view.bookId, { manifestHash: survey.manifestHash, seq: view.seq });
}

function tell(context: Context, { asked, outcome, file, archiveBytes }: Made): void {
  const { view, survey, part } = asked;
  const { files, sizeBytes, errors, resume } = outcome;
  const json = {
    book: view.bookId,
    user: view.userId ?? null,
    scope: view.scope,
    position: view.seq,
    manifest_hash: survey.manifestHash,
    part,
    file,
    files,
    size_bytes: sizeBytes,
    archive_bytes: archiveBytes,
    errors,
    resume: resume ?? null,
  };
  if (file !== null) context.output.put(json);
  else if (context.output.json) process.stderr.write(`${JSON.stringify(json)}\n`);
  if (file !== null)
    context.output.say(
      `Archived ${counted(files, "file")} (${readableSize(sizeBytes)}) of ${view.bookId} in ${file} (${readableSize(archiveBytes)}).`,
    );
  if (!context.output.json) {
    for (const { message } of errors.slice(0, SHOWN_ERRORS)) warn(message);
    if (errors.length > SHOWN_ERRORS) warn(`And ${errors.length - SHOWN_ERRORS} more.`);
    if (errors.length > 0) warn("ERRORS.json in the archive names what is missing from it.");
    if (resume !== undefined) warn(`Time was up. The rest: pfs archive ${view.bookId} --resume ${resume}`);
  }
  if (errors.length > 0 || resume !== undefined) throw new Told(NOT_WHOLE_EXIT);
}
