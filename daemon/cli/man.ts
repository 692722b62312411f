/** `pfs man`: the manual page, made of what the commands say of themselves. */
import type { Command } from "commander";
import { packageVersion } from "../module-file.ts";
import { systemFiles } from "../service-files.ts";
import type { ContextOf } from "./command.ts";

export function addMan(program: Command, _contextOf: ContextOf): void {
  program
    .command("man")
    .summary("print the manual page")
    .description("Prints the manual page of pfs, for man(1).")
    .addHelpText("after", "\nExamples:\n  pfs man | man -l -\n  pfs man > /usr/local/share/man/man1/pfs.1")
    .action(() => void process.stdout.write(manualPage(program)));
}

/** In the macros of man(7). */
function manualPage(program: Command): string {
  const commands = visible(program).flatMap((command) => [command, ...visible(command)]);
  return [
    `.TH PFS 1 "" "pfs ${packageVersion()}" "User Commands"`,
    ".SH NAME",
    "pfs \\- books as directories in which every save is checked, journaled and logged",
    ".SH SYNOPSIS",
    ".B pfs",
    ".RI [ options ]",
    ".I command",
    ".RI [ arguments ]",
    ".SH DESCRIPTION",
    roff(program.description()),
    ".SH OPTIONS",
    ...optionsOf(program),
    ".SH COMMANDS",
    ...commands.flatMap((command) => [
      `.SS "${roff(`${nameOf(command)} ${command.usage()}`)}"`,
      roff(command.description()),
      ...argumentsOf(command),
      ...optionsOf(command),
    ]),
    ".SH EXIT STATUS",
    "0: done. 1: failed or refused. 2: not understood. The help of a command says of others.",
    ".SH FILES",
    ".TP",
    ".I /var/lib/pfs",
    "The store of root and of the service; of others",
    ".IR ~/.local/share/pfs .",
    ".TP",
    ".I /etc/pfs/config.json",
    "The configuration; of others than root",
    ".IR ~/.config/pfs/config.json .",
    ".TP",
    ".I /etc/pfs/mounts/NAME.conf",
    roff("What pfs-mount@NAME.service mounts: BOOK=…, DIRECTORY=…, OPTIONS=…, a line each."),
    ".TP",
    ".I ~/.config/systemd/user/pfsd.service",
    roff("Of `pfs service install --user`. Of `pfs service install`:"),
    ...systemFiles("").flatMap(({ path }) => [".br", `.I ${roff(path)}`]),
    ".SH ENVIRONMENT",
    roff(
      "PFS_STORE, PFS_CONFIG, PFS_AGENT_ID, DATABASE_URL, PFS_REMOTE, PFS_SOCKET, PFS_HTTP, PFS_LOG_LEVEL, PFS_DEBUG, NO_COLOR; " +
        "of the service PFS_MOUNTER, PFS_MOUNT_BELOW; of `npm start` PFS_MOUNT. README.md says what each does, and names others.",
    ),
    "",
  ].join("\n");
}

function visible(command: Command): Command[] {
  // Help itself is no page of its own.
  return command
    .createHelp()
    .visibleCommands(command)
    .filter((each) => command.commands.includes(each as Command)) as Command[];
}

/** With those that it is a command of. */
function nameOf(command: Command): string {
  return command.parent === null ? command.name() : `${nameOf(command.parent)} ${command.name()}`;
}

function argumentsOf(command: Command): string[] {
  return command.registeredArguments.flatMap((argument) => [
    ".TP",
    `.I ${roff(argument.name())}`,
    roff(argument.description),
  ]);
}

function optionsOf(command: Command): string[] {
  return command.options
    .filter(({ hidden }) => !hidden)
    .flatMap(({ flags, description }) => [".TP", `.B ${roff(flags)}`, roff(description)]);
}

/** Text that roff(7) shows as it is. */
function roff(text: string): string {
  return text
    .replaceAll("\\", "\\e")
    .replaceAll("-", "\\-")
    .replaceAll('"', "\\(dq")
    .replaceAll("`", "\\(ga")
    .replaceAll("'", "\\(aq")
    .replace(
      /[^\0-\x7f]/gu,
      (char) => `\\[u${char.codePointAt(0)?.toString(16).toUpperCase().padStart(4, "0")}]`,
    )
    .replace(/^\./gm, "\\&.");
}
