/** The `pfs` command. Runs when it is imported. Owns the list of commands and what they have in common. */
import { Command } from "commander";
import { packageVersion } from "../module-file.ts";
import { Context, type GlobalOptions } from "./context.ts";
import { addExport } from "./export.ts";
import { failWith } from "./failure.ts";
import { addImport } from "./import.ts";
import { addInit } from "./init.ts";
import { addLog } from "./log.ts";
import { addLs } from "./ls.ts";
import { addMount } from "./mount.ts";
import { addStatus } from "./status.ts";
import { addStop } from "./stop.ts";
import { addUmount } from "./umount.ts";
import { addUp } from "./up.ts";
import { addValidate } from "./validate.ts";
import { addVerify } from "./verify.ts";

const commands = [
  addInit,
  addImport,
  addExport,
  addLs,
  addMount,
  addUmount,
  addUp,
  addStop,
  addStatus,
  addLog,
  addValidate,
  addVerify,
];

const AFTER_HELP = `
A morning with a book:
  pfs import my-book ./book-folder     makes the book from a folder
  pfs mount my-book ./book             ./book shows it; work on it with any program
  pfs log                              who saved what
  pfs stop                             unmounts it

\`pfs COMMAND --help\` says more. The store is --store, else PFS_STORE, else as root /var/lib/pfs, else
$XDG_DATA_HOME/pfs, which is ~/.local/share/pfs. Exit codes: 0 done, 1 failed or refused, 2 not understood.`;

function makeProgram(): Command {
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
    .configureOutput(wantsJson ? { writeErr: () => undefined } : {})
    .addHelpText("after", AFTER_HELP)
    .exitOverride();
  const contextOf = (command: Command): Context => new Context(command.optsWithGlobals<GlobalOptions>());
  for (const add of commands) add(program, contextOf);
  return program;
}

try {
  await makeProgram().parseAsync();
} catch (error) {
  failWith(error, { json: process.argv.includes("--json") });
}
