/** `pfs diff`: what changed between two states of a book. */
import { once } from "node:events";
import { type Command, Option } from "commander";
import { overlayChanges } from "../../lib/overlays.ts";
import { changesBetween, type PathChange } from "../../lib/past/changes.ts";
import { pastViewOf } from "../../lib/past/past-view-of.ts";
import { resolveReference } from "../../lib/past/position.ts";
import { userChangesBetween } from "../../lib/past/user-changes.ts";
import type { BookFile, StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import { BASE, type BookId, parseBookId, parseUserId, type Seq, type UserId } from "../../schema/ids.ts";
import { isReference, REFERENCE_FORMS } from "../../schema/reference.ts";
import { shellWord } from "../../schema/shell-word.ts";
import { pathsInBook } from "./book-paths.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import { Told, Trouble } from "./failure.ts";
import { type DiffStyle, MAX_COMPARED_BYTES, unifiedDiff, type Version } from "./unified-diff.ts";

type When = "auto" | "always" | "never";

/** What is compared. */
interface Compared {
  readonly bookId: BookId;
  /** Undefined: the base. */
  readonly userId: UserId | undefined;
  readonly from: Seq;
  readonly to: Seq;
  readonly path: string;
}

export function addDiff(program: Command, contextOf: ContextOf): void {
  program
    .command("diff")
    .summary("what changed between two states of a book")
    .description(
      "Compares a past state of the book with the present one, or with another past one, file by file: a unified diff that " +
        "`git apply` takes; with --user what that user saw and sees, or, without a REF, the base with what the user sees. Files that were moved are shown as such; binary " +
        "ones and those over 8 MiB are named only.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .argument("[ref]", `${REFERENCE_FORMS}; with --user, none compares the user with the base`)
    .argument("[ref-or-path]", "the state to compare with (default: the present), or the path")
    .argument("[path]", "only this file or directory; ./PATH where it could be taken for a REF")
    .option("--user <user>", "what this user sees")
    .addOption(
      new Option("--color <when>", "auto: on a terminal, unless NO_COLOR is set")
        .choices(["auto", "always", "never"])
        .default("auto"),
    )
    .addHelpText(
      "after",
      "\nThe exit code is that of diff(1): 0 no difference, 1 differences, 2 trouble." +
        "\n\nExamples:\n  pfs diff my-book 2h\n  pfs diff my-book 4711 4723 content/01-Part\n  pfs diff my-book 2025-11-25 --json | jq -r .path" +
        "\n  pfs diff my-book --user alice content/01-Part\n  pfs diff my-book 2h --user alice",
    )
    .action(
      async (
        book: string,
        first: string | undefined,
        second: string | undefined,
        third: string | undefined,
        { color, user }: { color: When; user?: string },
        command: Command,
      ) => {
        let differs: boolean;
        try {
          const context = contextOf(command);
          const words = [first, second, third];
          const isPresent = user !== undefined && (first === undefined || !isReference(first));
          differs = isPresent
            ? await runUser(context, book, user, words, color)
            : await runPast(context, { book, user, words, color });
        } catch (error) {
          throw new Trouble(error);
        }
        if (differs) throw new Told();
      },
    );
}

function splitWords(
  second: string | undefined,
  third: string | undefined,
): { reference?: string; path?: string } {
  if (second === undefined) return {};
  if (third !== undefined) return { reference: second, path: third };
  return isReference(second) ? { reference: second } : { path: second };
}

type Words = readonly (string | undefined)[];

interface PastWords {
  readonly book: string;
  readonly user: string | undefined;
  readonly words: Words;
  readonly color: When;
}

async function runPast(context: Context, { book, user, words, color }: PastWords): Promise<boolean> {
  const [reference, second, third] = words;
  if (reference === undefined) {
    throw new PfsError("USAGE", "Say which state to compare with: a REF, or --user USER for an overlay.", {
      hint: "`pfs diff --help` has examples.",
    });
  }
  const more = splitWords(second, third);
  const userId = user === undefined ? undefined : parseUserId(user);
  const bookId = parseBookId(book);
  const path = await pathOf(context, bookId, more.path);
  return context.read(async (reader) => {
    reader.book(bookId);
    const [from, to] = [reference, more.reference].map((each) =>
      each === undefined ? (reader.head().seq as Seq) : resolveReference(reader.database, bookId, each),
    ) as [Seq, Seq];
    refuseUnknownPath(reader, { bookId, userId, from, to, path });
    const { database } = reader;
    const changes =
      userId === undefined
        ? changesBetween(database, { bookId, layer: BASE, from, to, below: path })
        : userChangesBetween(database, { bookId, userId, from, to, below: path });
    return show(context, reader, changes, styleOf(color));
  }, bookId);
}

async function runUser(
  context: Context,
  book: string,
  user: string,
  words: Words,
  color: When,
): Promise<boolean> {
  const bookId = parseBookId(book);
  const userId = parseUserId(user);
  const [word, ...more] = words;
  if (more.some((each) => each !== undefined)) {
    throw new PfsError("USAGE", "With --user and no REF there is one PATH at the most.", {
      hint: "`pfs diff --help` has examples.",
    });
  }
  const path = await pathOf(context, bookId, word);
  return context.read(
    (reader) => show(context, reader, overlayChanges(reader, bookId, userId, path), styleOf(color)),
    bookId,
  );
}

/** "" is the whole book. */
async function pathOf(context: Context, bookId: BookId, word: string | undefined): Promise<string> {
  const [path = ""] = word === undefined ? [] : await pathsInBook(context, bookId, [word]);
  return path;
}

function styleOf(color: When): DiffStyle {
  const terminal = process.stdout.isTTY === true;
  const isAsked = color === "always" || (color === "auto" && terminal && !process.env.NO_COLOR);
  return { color: isAsked, terminal };
}

function refuseUnknownPath(reader: StoreReader, { bookId, userId, from, to, path }: Compared): void {
  const files = pastViewOf(reader.database, bookId, userId);
  const isThere = (seq: Seq): boolean => files.file(path, seq) !== undefined || files.hasDirectory(path, seq);
  if (path === "" || isThere(from) || isThere(to)) return;
  throw new PfsError("NOT_FOUND", `There was no ${path} in ${bookId} at position ${from} or ${to}.`, {
    path,
    hint: `\`pfs log ${bookId} ${shellWord(path)}\` tells its history; paths are relative to the book's root.`,
  });
}

/** @returns whether there is any difference */
async function show(
  { output }: Context,
  reader: StoreReader,
  changes: Iterable<PathChange>,
  style: DiffStyle,
): Promise<boolean> {
  const seen = pairMoves([...changes]).filter(isShown);
  for (const change of seen) {
    output.put(jsonOf(change));
    if (output.json) continue;
    const text = unifiedDiff(
      await versionOf(reader, change.before),
      await versionOf(reader, change.after),
      style,
    );
    if (!process.stdout.write(text)) await once(process.stdout, "drain");
  }
  return seen.length > 0;
}

/** A file that left one path and came to another is one change. */
function pairMoves(changes: readonly PathChange[]): PathChange[] {
  const left = new Map<number, BookFile>();
  for (const { before, after } of changes) {
    if (before !== undefined && after?.fileId !== before.fileId) left.set(before.fileId, before);
  }
  const moved = new Set<BookFile>();
  const paired = changes.flatMap(({ path, before, after }): PathChange[] => {
    const source =
      after === undefined || before?.fileId === after.fileId ? undefined : left.get(after.fileId);
    if (source === undefined || source.path === path) return [{ path, before, after }];
    moved.add(source);
    // What the move replaced is gone.
    const replaced: PathChange[] = before === undefined ? [] : [{ path, before, after: undefined }];
    return [...replaced, { path, before: source, after }];
  });
  return paired.filter(
    ({ before, after }) => after !== undefined || before === undefined || !moved.has(before),
  );
}

/** A file whose time alone moved, or that was replaced by an equal one, reads the same. */
function isShown({ before, after }: PathChange): boolean {
  return before?.path !== after?.path || before?.sha256 !== after?.sha256 || before?.mode !== after?.mode;
}

function jsonOf({ path, before, after }: PathChange): object {
  const moved = before !== undefined && after !== undefined && before.path !== after.path;
  return {
    path,
    change: before === undefined ? "added" : after === undefined ? "deleted" : moved ? "renamed" : "modified",
    ...(moved ? { prev_path: before.path } : {}),
    before_hash: before?.sha256 ?? null,
    after_hash: after?.sha256 ?? null,
    before_mode: before?.mode.toString(8) ?? null,
    after_mode: after?.mode.toString(8) ?? null,
  };
}

async function versionOf(reader: StoreReader, file: BookFile | undefined): Promise<Version | undefined> {
  if (file === undefined) return undefined;
  const { path, mode, sha256, sizeBytes } = file;
  const bytes = sizeBytes > MAX_COMPARED_BYTES ? undefined : await reader.readBytes(sha256, path);
  return { path, mode, sha256, bytes };
}
