/** `pfs validate`: which paths have no place in a schema, and what they may have been meant to be. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import { scanDirectory } from "../../lib/import-scan.ts";
import { type Violation, validateBook, validateDirectory } from "../../lib/validate.ts";
import type { BookId } from "../../schema/ids.ts";
import { type Profile, parseProfile, strictestProfile } from "../../schema/profiles.ts";
import type { ContextOf } from "./command.ts";
import { Told } from "./failure.ts";
import type { Output } from "./output.ts";
import { readSchema, SCHEMA_HELP } from "./schema-option.ts";
import { counted } from "./text.ts";

interface ValidateOptions {
  readonly schema?: string;
  readonly into?: string;
}

export function addValidate(program: Command, contextOf: ContextOf): void {
  program
    .command("validate")
    .summary("which paths break a schema, with suggestions")
    .description(
      "Holds every path of a book, or of a directory as an import would take it, against a schema: the book's own, " +
        "for a directory strict, or the one that --schema names. Exit code 1 when something has no place in it.",
    )
    .argument("<book or dir>", "a directory when the name has a / in it, or when there is no such book")
    .option("--schema <schema>", SCHEMA_HELP)
    .option("--into <path>", "for a directory: where in the book its files would go")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs validate my-book\n  pfs validate ./site/docs --into content --schema docusaurus",
    )
    .action(async (name: string, options: ValidateOptions, command: Command) => {
      const context = contextOf(command);
      const profile =
        options.schema === undefined ? undefined : parseProfile(await readSchema(options.schema));
      if (await isDirectoryName(name))
        return validateTree(context.output, { name, profile, into: options.into });
      await context.read((reader) => {
        const book = reader.book(name as BookId);
        const checked = profile ?? book.profile;
        report(context.output, [...validateBook(reader, book.bookId, checked)], { name, profile: checked });
      });
    });
}

/** Book ids have no slash; a name that could be both is a book's. */
async function isDirectoryName(name: string): Promise<boolean> {
  if (name.includes("/") || name === "." || name === "..") return true;
  if (/^[a-z0-9-]{3,50}$/.test(name)) return false;
  return stat(name).then(
    (found) => found.isDirectory(),
    () => false,
  );
}

interface Tree {
  readonly name: string;
  readonly profile: Profile | undefined;
  readonly into: string | undefined;
}

async function validateTree(output: Output, { name, profile, into }: Tree): Promise<void> {
  const checked = profile ?? parseProfile("strict");
  const directory = resolve(name);
  const options = into === undefined ? {} : { into };
  const violations = await validateDirectory(directory, checked, options);
  if (violations.length > 0 && profile === undefined) {
    const { files } = await scanDirectory(directory, options);
    output.say(
      `An import without --schema would choose ${strictestProfile(files.map(({ path }) => path)).reason}`,
    );
  }
  report(output, violations, { name, profile: checked });
}

function report(
  output: Output,
  violations: readonly Violation[],
  about: { name: string; profile: Profile },
): void {
  for (const violation of violations) {
    output.put(violation);
    const { path, reason, suggestion } = violation;
    output.say(`${path}: ${reason}${suggestion === null ? "" : ` Did you mean ${suggestion}?`}`);
  }
  const { name, profile } = about;
  if (violations.length === 0) {
    output.say(`Every path of ${name} fits the schema ${profile.name}.`);
    return;
  }
  output.say(
    `${counted(violations.length, "path")} of ${name} ${violations.length === 1 ? "has" : "have"} no place in the schema ${profile.name}.`,
  );
  throw new Told();
}
