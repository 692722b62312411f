/**
 * Owns what may come next on a command line of `pfs`, from what the commands themselves say they take. Must never know a
 * shell, nor fail because a store is not there.
 */
import type { Argument, Command, Option } from "commander";

/** What may be typed, with a few words on it. */
export interface Candidate {
  readonly word: string;
  readonly about: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** Names of files may come there, too. */
  readonly takesFiles: boolean;
}

/** After `-o` of mount. */
const MOUNT_OPTIONS = [
  "agent=",
  "user=",
  "check=seen",
  "check=require",
  "check=off",
  "sync=strict",
  "delete=revert",
  "delete=hide",
  "at=",
  "ro",
  "allow_other",
];

/**
 * @param words what was typed after `pfs`; the last one is being typed, and may be empty
 * @param books names of the books there are
 */
export function complete(program: Command, words: readonly string[], books: () => string[]): Completion {
  const current = words.at(-1) ?? "";
  const before = words.slice(0, -1);
  const { command, rest } = findCommand(program, before);
  const own = command === program ? [] : command.options;
  const options = [...own, ...program.options].filter(({ hidden }) => !hidden);
  const awaited = options.find((option) => isFlag(option, before.at(-1) ?? "") && takesValue(option));
  const count = positionals(options, rest);
  let found: Completion;
  if (awaited !== undefined) found = valuesOf(awaited);
  else if (current.startsWith("-"))
    found = only(options.map(({ long, short, description }) => candidate(long ?? short ?? "", description)));
  else if (command.commands.length > 0 && (count === 0 || rest[0] === "help"))
    found = only(commandNames(command));
  else found = argumentAt(command, count, books);
  return { ...found, candidates: found.candidates.filter(({ word }) => word.startsWith(current)) };
}

/** The command that was named, of a command perhaps, and what was typed after its name. */
function findCommand(
  program: Command,
  before: readonly string[],
): { command: Command; rest: readonly string[] } {
  let [command, start] = [program, 0];
  for (let at = 0; at < before.length; at++) {
    const word = before[at] as string;
    const option = [...command.options, ...program.options].find((each) => isFlag(each, word));
    if (option !== undefined && takesValue(option)) at++;
    if (option !== undefined || word.startsWith("-")) continue;
    const named = command.commands.find((each) => each.name() === word);
    if (named === undefined) break;
    [command, start] = [named, at + 1];
  }
  return { command, rest: before.slice(start) };
}

/** How many arguments were typed that are neither options nor their values. */
function positionals(options: readonly Option[], words: readonly string[]): number {
  let count = 0;
  for (let at = 0; at < words.length; at++) {
    const option = options.find((each) => isFlag(each, words[at] as string));
    if (option !== undefined && takesValue(option)) at++;
    else if (option === undefined) count++;
  }
  return count;
}

function argumentAt(command: Command, index: number, books: () => string[]): Completion {
  const known = command.registeredArguments;
  const last = known.at(-1);
  const argument: Argument | undefined = known[index] ?? (last?.variadic === true ? last : undefined);
  if (argument === undefined) return only([]);
  const { argChoices } = argument as Argument & { readonly argChoices?: readonly string[] };
  if (argChoices !== undefined) return only(argChoices.map((word) => candidate(word, argument.description)));
  if (argument.name().startsWith("book")) {
    const candidates = books().map((word) => candidate(word, "book"));
    // Such as validate's: a book or a directory.
    return { candidates, takesFiles: argument.name() !== "book" };
  }
  return { candidates: [], takesFiles: true };
}

function valuesOf(option: Option): Completion {
  if (option.argChoices !== undefined) return only(option.argChoices.map((word) => candidate(word, "")));
  if (option.short === "-o" && option.long == null)
    return only(MOUNT_OPTIONS.map((word) => candidate(word, "mount option")));
  return { candidates: [], takesFiles: true };
}

/** `help`, which commander adds by itself, among them. */
function commandNames(program: Command): Candidate[] {
  return program
    .createHelp()
    .visibleCommands(program)
    .map((each) => candidate(each.name(), each.summary() || each.description()));
}

function isFlag({ long, short }: Option, word: string): boolean {
  return word !== "" && (word === long || word === short);
}

function takesValue({ required, optional }: Option): boolean {
  return required || optional;
}

function candidate(word: string, about: string): Candidate {
  return { word, about };
}

function only(candidates: readonly Candidate[]): Completion {
  return { candidates, takesFiles: false };
}
