/**
 * `npm start`: the sample book, mounted in the checkout, for somebody who wants to see what pfs does. Runs when it is
 * imported. Owns what a newcomer is shown; everything else is the daemon's.
 */
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { PfsError } from "../schema/errors.ts";
import { parseBookId } from "../schema/ids.ts";
import { DEFAULT_MODE } from "../schema/mount-options.ts";
import { shellWord } from "../schema/shell-word.ts";
import { failWith } from "./cli/failure.ts";
import { makeOutput } from "./cli/output.ts";
import type { Daemon } from "./daemon.ts";
import { findAgent } from "./default-agent.ts";
import { packageRoot } from "./module-file.ts";
import { makeMountDirectory } from "./mount-directory.ts";
import { currentActor } from "./plain-actor.ts";
import { runDaemon } from "./run-daemon.ts";
import { findStore } from "./store-location.ts";
import { makeTerminalReporter } from "./terminal-reporter.ts";

const ROOT = fileURLToPath(packageRoot());
const BOOK = parseBookId("sample-book");
const LESSON = "content/01-Foundations/01-Plain-Text/01-why-plain-text.md";
const output = makeOutput(false);

/** PFS_STORE chooses another store, PFS_MOUNT another directory than ./book. */
async function main(): Promise<void> {
  const storeDirectory = findStore(undefined);
  const directory = process.env.PFS_MOUNT || join(ROOT, "book");
  await runDaemon({
    storeDirectory,
    reporter: makeTerminalReporter(output),
    async onListening(daemon) {
      await importSample(daemon);
      await makeMountDirectory(directory);
      const agent = findAgent(undefined);
      await daemon.mount({ ...DEFAULT_MODE, bookId: BOOK, directory, agent, allowOther: false });
      showWhatToTry(shortened(directory));
    },
  });
}

async function importSample(daemon: Daemon): Promise<void> {
  if (await hasBook(daemon)) return;
  const events = daemon.import({
    bookId: BOOK,
    directory: join(ROOT, "examples/sample-book"),
    profileJson: "strict",
    actor: currentActor(findAgent(undefined)),
  });
  // Its end is told by the reporter.
  for await (const _event of events);
}

async function hasBook({ host }: Daemon): Promise<boolean> {
  try {
    await host.call("findBook", { bookId: BOOK });
    return true;
  } catch (error) {
    if (error instanceof PfsError && error.code === "NOT_FOUND") return false;
    throw error;
  }
}

function shortened(path: string): string {
  const short = relative(process.cwd(), path);
  return short === "" || short.startsWith("..") ? path : short;
}

function showWhatToTry(book: string): void {
  const lesson = shellWord(`${book}/${LESSON}`);
  const lines = [
    "",
    `${book}/ shows the sample book. It is an ordinary directory: any program can work on it. Try`,
    "",
    `  an editor on ${lesson}`,
    `  touch ${shellWord(`${book}/notes.txt`)}     refused: the book's schema has no place for it`,
    "",
    "and in a second terminal, here:",
    "",
    "  npx pfs log                  who saved what",
    `  npx pfs log ${lesson}`,
    "  npx pfs status               the daemon and its mounts",
    "  npx pfs verify               every byte against its hash, and the log's chain",
    "",
    "Saves and refusals appear below. Ctrl-C unmounts the book.",
    "",
  ];
  for (const line of lines) output.say(line);
}

try {
  await main();
} catch (error) {
  failWith(error, { json: false });
}
