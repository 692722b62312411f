/** `pfs validate`: which paths have no place in a schema, what they may have been meant to be, and renaming them so. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import type { Book } from "../../lib/book.ts";
import { scanDirectory } from "../../lib/import-scan.ts";
import { planFixes } from "../../lib/path-fixes.ts";
import { renameOnDisk } from "../../lib/rename-on-disk.ts";
import { type Violation, validateBook, validateDirectory } from "../../lib/validate.ts";
import type { RenamedPath } from "../../lib/worktree/rename-paths.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BookId } from "../../schema/ids.ts";
import { parseTreePath } from "../../schema/paths.ts";
import { type Profile, parseProfile, strictestProfile } from "../../schema/profiles.ts";
import { DEFAULT_AGENT, findAgent } from "../default-agent.ts";
import { currentActor } from "../plain-actor.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import { Told } from "./failure.ts";
import type { Output } from "./output.ts";
import { readSchema, SCHEMA_HELP } from "./schema-option.ts";
import { counted } from "./text.ts";

interface ValidateOptions {
  readonly schema?: string;
  readonly into?: string;
  readonly fix?: true;
  readonly dryRun?: true;
  readonly agent?: string;
}

/** How many renames the owner of a store is asked for at once: others wait meanwhile. */
const BATCH_RENAMES = 50;

export function addValidate(program: Command, contextOf: ContextOf): void {
  program
    .command("validate")
    .summary("which paths break a schema, with suggestions; --fix renames them")
    .description(
      "Holds every path of a book, or of a directory as an import would take it, against a schema: the book's own, " +
        "for a directory strict, or the one that --schema names. --fix renames each file of which there is no doubt what " +
        "it was meant to be: the suggested name is free, and no other file has the same suggestion. In a book a rename " +
        "is logged, and the file keeps its history. Exit code 1 while something has no place in the schema.",
    )
    .argument("<book or dir>", "a directory when the name has a / in it, or when there is no such book")
    .option("--schema <schema>", SCHEMA_HELP)
    .option("--into <path>", "for a directory: where in the book its files would go")
    .option("--fix", "rename where the suggestion is unambiguous")
    .option("--dry-run", "say what --fix would do, and do nothing")
    .option("--agent <name>", `who answers for the renames in a book (default: ${DEFAULT_AGENT})`)
    .addHelpText(
      "after",
      "\nExamples:\n  pfs validate my-book\n  pfs validate ./site/docs --into content --schema docusaurus" +
        "\n  pfs validate ./site/docs --into content --fix --dry-run\n  pfs validate my-book --fix",
    )
    .action(async (name: string, options: ValidateOptions, command: Command) => {
      const context = contextOf(command);
      const profile =
        options.schema === undefined ? undefined : parseProfile(await readSchema(options.schema));
      if (isDirectoryName(name)) return validateTree(context.output, { name, profile, options });
      const found = await findBook(context, name);
      if (found === undefined && (await isDirectory(name)))
        return validateTree(context.output, { name, profile, options });
      if (found === undefined) {
        throw new PfsError("NOT_FOUND", `There is neither a book nor a directory ${name}.`, {
          hint: "`pfs ls` lists the books.",
        });
      }
      const { bookId } = found;
      const checked = profile ?? found.profile;
      const violations = await context.read((reader) => [...validateBook(reader, bookId, checked)], bookId);
      await conclude(context.output, {
        name,
        profile: checked,
        options,
        violations,
        rename: (fixes) => renameInBook(context, bookId, fixes, options.agent),
      });
    });
}

/** Book ids have no slash. */
function isDirectoryName(name: string): boolean {
  return name.includes("/") || name === "." || name === "..";
}

async function findBook(context: Context, name: string): Promise<Book | undefined> {
  try {
    return await context.read((reader) => reader.book(name as BookId));
  } catch (error) {
    // No such book, or no store at all.
    if (error instanceof PfsError && error.code === "NOT_FOUND") return undefined;
    throw error;
  }
}

function isDirectory(name: string): Promise<boolean> {
  return stat(name).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

interface Tree {
  readonly name: string;
  readonly profile: Profile | undefined;
  readonly options: ValidateOptions;
}

async function validateTree(output: Output, { name, profile, options }: Tree): Promise<void> {
  const checked = profile ?? parseProfile("strict");
  const directory = resolve(name);
  const { into } = options;
  const scanOptions = into === undefined ? {} : { into };
  const violations = await validateDirectory(directory, checked, scanOptions);
  if (violations.length > 0 && profile === undefined) {
    const { files } = await scanDirectory(directory, scanOptions);
    output.say(
      `An import without --schema would choose ${strictestProfile(files.map(({ path }) => path)).reason}`,
    );
  }
  const prefix = into === undefined ? "" : `${into.replace(/\/+$/, "")}/`.replace(/^\/$/, "");
  const rename = (fixes: readonly Rename[]) => renameInDirectory(directory, prefix, fixes);
  await conclude(output, { name, profile: checked, options, violations, rename });
}

/** A file that is to be renamed; paths are of the book. */
interface Rename {
  readonly path: string;
  readonly to: string;
}

/** Why each could not be renamed, in their order; null: it was. */
type Reasons = (string | null)[];

async function renameInBook(
  context: Context,
  bookId: BookId,
  fixes: readonly Rename[],
  agent: string | undefined,
): Promise<Reasons> {
  const actor = currentActor(findAgent(agent));
  const all = fixes.map(({ path, to }) => ({ path: parseTreePath(path), to: parseTreePath(to) }));
  const reasons: Reasons = [];
  for (let at = 0; at < all.length; at += BATCH_RENAMES) {
    const renames = all.slice(at, at + BATCH_RENAMES);
    const renamed = await context.own<readonly RenamedPath[]>({
      viaDaemon: async (daemon) => {
        const rows: RenamedPath[] = [];
        for await (const row of daemon.stream("POST", `/books/${bookId}/renames`, { renames, actor }))
          rows.push(row as RenamedPath);
        return rows;
      },
      directly: (owner) => owner.renamePaths({ bookId, renames, actor }),
    });
    reasons.push(...renamed.map(({ reason }) => reason));
  }
  return reasons;
}

async function renameInDirectory(
  directory: string,
  prefix: string,
  fixes: readonly Rename[],
): Promise<Reasons> {
  const reasons: Reasons = [];
  for (const { path, to } of fixes) {
    const isInside = to.startsWith(prefix);
    const renamed = { from: path.slice(prefix.length), to: to.slice(prefix.length) };
    const reason = isInside ? await renameOnDisk(directory, renamed) : `${to} would not lie in ${directory}.`;
    reasons.push(reason ?? null);
  }
  return reasons;
}

interface Conclusion {
  readonly name: string;
  readonly profile: Profile;
  readonly options: ValidateOptions;
  readonly violations: readonly Violation[];
  rename(fixes: readonly Rename[]): Promise<Reasons>;
}

async function conclude(output: Output, conclusion: Conclusion): Promise<void> {
  const { violations, options } = conclusion;
  const mends = options.fix === true || options.dryRun === true;
  const left = mends && violations.length > 0 ? await mend(output, conclusion) : report(output, violations);
  const { name, profile } = conclusion;
  if (left === 0) {
    output.say(`Every path of ${name} fits the schema ${profile.name}.`);
    return;
  }
  output.say(
    `${counted(left, "path")} of ${name} ${left === 1 ? "has" : "have"} no place in the schema ${profile.name}.`,
  );
  throw new Told();
}

/** Returns how many violations there are. */
function report(output: Output, violations: readonly Violation[]): number {
  for (const violation of violations) {
    output.put(violation);
    output.say(described(violation));
  }
  return violations.length;
}

function described({ path, reason, suggestion }: Violation): string {
  return `${path}: ${reason}${suggestion === null ? "" : ` Did you mean ${suggestion}?`}`;
}

/** Renames what can be, or only says so; returns how many violations are left. */
async function mend(output: Output, { violations, options, rename }: Conclusion): Promise<number> {
  const fixes = planFixes(violations);
  const renames = fixes.flatMap(({ violation: { path }, to }) => (to === null ? [] : [{ path, to }]));
  const reasons = options.dryRun === true ? renames.map(() => null) : await rename(renames);
  const reasonOf = new Map(renames.map(({ path }, at) => [path, reasons[at] ?? null]));
  let left = violations.length;
  for (const fix of fixes) {
    const { violation, to } = fix;
    const reason = fix.to === null ? fix.reason : (reasonOf.get(violation.path) ?? null);
    const renamed = to !== null && reason === null;
    const outcome = !renamed ? "left" : options.dryRun === true ? "planned" : "renamed";
    output.put({ ...violation, outcome, left_because: reason });
    if (outcome === "left") output.say(`Left ${described(violation)} ${reason}`);
    else output.say(`${outcome === "renamed" ? "Renamed" : "Would rename"} ${violation.path} to ${to}.`);
    if (outcome === "renamed") left--;
  }
  return left;
}
