/** The `pfs` command. Runs when it is imported. Owns the list of commands and what they have in common. */
import { Command } from "commander";
import { packageVersion } from "../module-file.ts";
import type { ContextOf } from "./command.ts";
import { Context, type GlobalOptions } from "./context.ts";
import { failWith } from "./failure.ts";
import { printable } from "./text.ts";

type AddCommand = (program: Command, contextOf: ContextOf) => void;

/** In the order of the help. A command's file is loaded when it is that command's turn: most of what it needs is its own. */
const commands: Readonly<Record<string, () => Promise<AddCommand>>> = {
  init: async () => (await import("./init.ts")).addInit,
  import: async () => (await import("./import.ts")).addImport,
  export: async () => (await import("./export.ts")).addExport,
  archive: async () => (await import("./archive.ts")).addArchive,
  ls: async () => (await import("./ls.ts")).addLs,
  cat: async () => (await import("./cat.ts")).addCat,
  write: async () => (await import("./write.ts")).addWrite,
  mount: async () => (await import("./mount.ts")).addMount,
  umount: async () => (await import("./umount.ts")).addUmount,
  up: async () => (await import("./up.ts")).addUp,
  stop: async () => (await import("./stop.ts")).addStop,
  status: async () => (await import("./status.ts")).addStatus,
  top: async () => (await import("./top.ts")).addTop,
  overlays: async () => (await import("./overlays.ts")).addOverlays,
  revert: async () => (await import("./revert.ts")).addRevert,
  "publish-overlay": async () => (await import("./publish-overlay.ts")).addPublishOverlay,
  remote: async () => (await import("./remote.ts")).addRemoteCommand,
  clone: async () => (await import("./clone.ts")).addClone,
  push: async () => (await import("./push.ts")).addPush,
  pull: async () => (await import("./pull.ts")).addPull,
  sync: async () => (await import("./sync.ts")).addSync,
  prefetch: async () => (await import("./prefetch.ts")).addPrefetch,
  log: async () => (await import("./log.ts")).addLog,
  conflicts: async () => (await import("./conflicts.ts")).addConflicts,
  resolve: async () => (await import("./resolve.ts")).addResolve,
  show: async () => (await import("./show.ts")).addShow,
  diff: async () => (await import("./diff.ts")).addDiff,
  restore: async () => (await import("./restore.ts")).addRestore,
  plan: async () => (await import("./plan.ts")).addPlan,
  manifest: async () => (await import("./manifest.ts")).addManifest,
  validate: async () => (await import("./validate.ts")).addValidate,
  "audit-head": async () => (await import("./audit-head.ts")).addAuditHead,
  doctor: async () => (await import("./doctor.ts")).addDoctor,
  service: async () => (await import("./service.ts")).addService,
  completion: async () => (await import("./completion.ts")).addCompletion,
  man: async () => (await import("./man.ts")).addMan,
  verify: async () => (await import("./verify.ts")).addVerify,
  repair: async () => (await import("./repair.ts")).addRepair,
  gc: async () => (await import("./gc.ts")).addGc,
  retention: async () => (await import("./retention.ts")).addRetention,
  backup: async () => (await import("./backup.ts")).addBackup,
  "restore-backup": async () => (await import("./restore-backup.ts")).addRestoreBackup,
};

const AFTER_HELP = `
A morning with a book:
  pfs import my-book ./book-folder     makes the book from a folder
  mkdir book
  pfs mount my-book ./book             ./book shows it; work on it with any program
  pfs log                              who saved what
  pfs stop                             unmounts it

\`pfs COMMAND --help\` says more. The store is --store, else PFS_STORE, else the configuration's, else as root
/var/lib/pfs, else $XDG_DATA_HOME/pfs, which is ~/.local/share/pfs. The configuration is /etc/pfs/config.json for root,
else ~/.config/pfs/config.json, or what PFS_CONFIG names. Exit codes: 0 done, 1 failed or refused (no agent, or \`system\`, too),
2 not understood (a malformed name, an unknown option).`;

async function makeProgram(): Promise<Command> {
  const wantsJson = process.argv.includes("--json");
  const program = new Command("pfs")
    .description(
      "Keeps books: mounts them as directories in which every save is checked, journaled and logged.",
    )
    .option("--store <dir>", "the directory in which the books are kept")
    .option("--json", "print JSON, one object a line; errors as JSON on standard error")
    .version(packageVersion(), "--version")
    .helpCommand("help [command]", "the same as COMMAND --help")
    .showSuggestionAfterError()
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError("  `pfs --help` lists the commands.")
    .configureOutput({
      writeErr: (text) => {
        if (!wantsJson) process.stderr.write(text);
      },
      outputError: (text, write) =>
        write(
          text
            .replace(/^error: /, "pfs: ")
            .split("\n")
            .map(printable)
            .join("\n"),
        ),
    })
    .addHelpText("after", AFTER_HELP)
    .exitOverride();
  const contextOf = (command: Command): Context => new Context(command.optsWithGlobals<GlobalOptions>());
  for (const load of findWanted()) (await load())(program, contextOf);
  for (const command of program.commands) {
    command.showHelpAfterError(`  \`pfs ${command.name()} --help\` says what it takes.`);
  }
  return program;
}

/** The one command that the first word names; none for the version; all of them for everything else, such as help and mistyped words. */
function findWanted(): (() => Promise<AddCommand>)[] {
  const [first] = findWords();
  if (first === undefined && process.argv.includes("--version")) return [];
  const wanted = first === undefined ? undefined : commandNamed(first.word);
  return wanted === undefined || NEEDS_ALL.has(first?.word ?? "") ? Object.values(commands) : [wanted];
}

/** Those that speak of all commands, or of none that is named. */
const NEEDS_ALL: ReadonlySet<string> = new Set(["man"]);

function commandNamed(word: string): (() => Promise<AddCommand>) | undefined {
  return Object.hasOwn(commands, word) ? commands[word] : undefined;
}

/** What was typed besides options, and where: "help" and names of commands come first. */
function findWords(): { word: string; at: number }[] {
  return process.argv
    .map((word, at) => ({ word, at }))
    .slice(2)
    .filter(({ word, at }) => !word.startsWith("-") && process.argv[at - 1] !== "--store");
}

/** Help about what is no command is refused as the word itself is: commander would print the whole help. */
function argumentsToParse(): string[] {
  const [help, subject] = findWords();
  const isRefused =
    help?.word === "help" && subject !== undefined && commandNamed(subject.word) === undefined;
  return isRefused ? process.argv.toSpliced(help.at, 1) : process.argv;
}

try {
  await (await makeProgram()).parseAsync(argumentsToParse());
} catch (error) {
  failWith(error, { json: process.argv.includes("--json") });
}
