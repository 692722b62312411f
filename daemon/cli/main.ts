/** The `pfs` command. Runs when it is imported. Owns the list of commands and what they have in common. */
import { Command } from "commander";
import { packageVersion } from "../module-file.ts";
import type { ContextOf } from "./command.ts";
import { Context, type GlobalOptions } from "./context.ts";
import { failWith } from "./failure.ts";

type AddCommand = (program: Command, contextOf: ContextOf) => void;

/** In the order of the help. A command's file is loaded when it is that command's turn: most of what it needs is its own. */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  init: async () => (await import("./init.ts")).addInit,
  import: async () => (await import("./import.ts")).addImport,
  export: async () => (await import("./export.ts")).addExport,
  ls: async () => (await import("./ls.ts")).addLs,
  mount: async () => (await import("./mount.ts")).addMount,
  umount: async () => (await import("./umount.ts")).addUmount,
  up: async () => (await import("./up.ts")).addUp,
  stop: async () => (await import("./stop.ts")).addStop,
  status: async () => (await import("./status.ts")).addStatus,
  log: async () => (await import("./log.ts")).addLog,
  validate: async () => (await import("./validate.ts")).addValidate,
  verify: async () => (await import("./verify.ts")).addVerify,
};

const AFTER_HELP = `
A morning with a book:
  pfs import my-book ./book-folder     makes the book from a folder
  pfs mount my-book ./book             ./book shows it; work on it with any program
  pfs log                              who saved what
  pfs stop                             unmounts it

\`pfs COMMAND --help\` says more. The store is --store, else PFS_STORE, else as root /var/lib/pfs, else
$XDG_DATA_HOME/pfs, which is ~/.local/share/pfs. Exit codes: 0 done, 1 failed or refused, 2 not understood.`;

async function makeProgram(): Promise<Command> {
  const wantsJson = process.argv.includes("--json");
  const program = new Command("pfs")
    .description(
      "Keeps books: mounts them as directories in which every save is checked, journaled and logged.",
    )
    .option("--store <dir>", "the directory in which the books are kept")
    .option("--json", "print JSON, one object a line; errors as JSON on standard error")
    .version(packageVersion(), "--version")
    .helpCommand(false)
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("  `pfs --help` and `pfs COMMAND --help` say what there is.")
    .configureOutput({
      writeErr: (text) => {
        if (!wantsJson) process.stderr.write(text);
      },
      outputError: (text, write) => write(text.replace(/^error: /, "pfs: ")),
    })
    .addHelpText("after", AFTER_HELP)
    .exitOverride();
  const contextOf = (command: Command): Context => new Context(command.optsWithGlobals<GlobalOptions>());
  for (const load of findWanted()) (await load())(program, contextOf);
  return program;
}

/** The one command that the first word names; all of them for everything else, such as help and mistyped words. */
function findWanted(): (() => Promise<AddCommand>)[] {
  const words = process.argv.slice(2).filter((_word, index, all) => all[index - 1] !== "--store");
  const first = words.find((word) => !word.startsWith("-")) ?? "";
  const wanted = Object.hasOwn(commands, first) ? commands[first] : undefined;
  return wanted === undefined ? Object.values(commands) : [wanted];
}

try {
  await (await makeProgram()).parseAsync();
} catch (error) {
  failWith(error, { json: process.argv.includes("--json") });
}
