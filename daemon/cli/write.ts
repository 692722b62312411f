/** `pfs write`: standard input becomes the next version of a file. */
import type { Command } from "commander";
import { INLINE_MAX_BYTES } from "../../lib/blobs.ts";
import type { WrittenFile } from "../../lib/worktree/write-file.ts";
import { PfsError } from "../../schema/errors.ts";
import { type BlobHash, isBlobHash, parseBookId, parseUserId } from "../../schema/ids.ts";
import { DEFAULT_AGENT, findAgent } from "../default-agent.ts";
import { currentActor } from "../plain-actor.ts";
import { type WriteRequest, writeStream } from "../write-stream.ts";
import { placesInBook } from "./book-paths.ts";
import type { ContextOf } from "./command.ts";
import { readAhead } from "./standard-input.ts";

interface WriteOptions {
  readonly expect?: string;
  readonly user?: string;
  readonly agent?: string;
  readonly executable?: true;
}

const ABSENT = "absent";

export function addWrite(program: Command, contextOf: ContextOf): void {
  program
    .command("write")
    .summary("make standard input the next version of a file")
    .description(
      "Reads standard input to its end and makes it a file's next version, in one logged change; makes the directories " +
        "that are missing. Prints what it did (created, updated, unchanged) and the file's hash. With --expect it only " +
        "replaces that version: a file that has another one is refused (CONFLICT, with the current hash), and what was to " +
        "be written is kept as a conflict. Without --expect it replaces whatever there is.",
    )
    .argument("<book>", "its name, as `pfs ls` lists it")
    .argument("<path>", "of a file, in the book or in a mount of it")
    .option(
      "--expect <hash>",
      `the hash of the version to replace, or ${ABSENT} for a file that is not to be there`,
    )
    .option(
      "--user <user>",
      "in this user's overlay (default: that of the mount that PATH is in, else the base)",
    )
    .option("--agent <name>", `who answers for the change (default: ${DEFAULT_AGENT})`)
    .option("--executable", "make it executable (default: as it is)")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs write my-book content/01-Part/01-Chapter/01-lesson.md < lesson.md\n" +
        '  old=$(pfs cat --hash my-book "$path")\n' +
        '  pfs cat my-book "$path" | ./edit > new && pfs write my-book "$path" --expect "$old" < new\n' +
        "  pfs write my-book static/img/new.png --expect absent < new.png",
    )
    .action(async (book: string, word: string, options: WriteOptions, command: Command) => {
      const context = contextOf(command);
      const { output } = context;
      const bookId = parseBookId(book);
      const expect = options.expect === undefined ? undefined : parseExpectation(options.expect);
      const actor = currentActor(findAgent(options.agent));
      const [place] = await placesInBook(context, bookId, [word]);
      const path = place?.path ?? "";
      const userId = options.user === undefined ? (place?.user ?? undefined) : parseUserId(options.user);
      // Small files are read before the store is asked for: whoever is slow to give them keeps nobody waiting.
      const bytes = await readAhead(INLINE_MAX_BYTES);
      const request = { bookId, userId, path, expect, executable: options.executable === true, actor, bytes };
      const written = await context.own<WrittenFile>({
        viaDaemon: async (daemon) =>
          (await daemon.upload(`/books/${bookId}/files?${queryOf(request)}`, bytes)) as WrittenFile,
        directly: (owner) => writeStream(owner, request),
      });
      output.put(written);
      output.say(`${written.outcome}  ${written.hash}`);
    });
}

/** @throws PfsError USAGE */
function parseExpectation(text: string): BlobHash | null {
  if (text === ABSENT) return null;
  if (isBlobHash(text)) return text;
  throw new PfsError(
    "USAGE",
    `--expect takes a hash of 64 hexadecimal digits, or ${ABSENT}, not "${text}".`,
    {
      hint: "`pfs cat --hash BOOK PATH` prints the hash of a file.",
    },
  );
}

function queryOf({ path, userId, expect, executable, actor }: WriteRequest): URLSearchParams {
  const { agent, uid, gid, pid, command } = actor;
  const query = new URLSearchParams({ path, agent, uid: `${uid}`, gid: `${gid}`, pid: `${pid}`, command });
  if (expect !== undefined) query.set("expect", expect ?? ABSENT);
  if (userId !== undefined) query.set("user", userId);
  if (executable === true) query.set("executable", "1");
  return query;
}
