/** `pfs import`: brings a directory into a book. */
import { resolve } from "node:path";
import type { Command } from "commander";
import { parseBookId } from "../../schema/ids.ts";
import { DEFAULT_AGENT, findAgent } from "../default-agent.ts";
import {
  type ImportEvent,
  type ImportRequest,
  type ImportSummary,
  importDirectory,
} from "../import-directory.ts";
import { currentActor } from "../plain-actor.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import type { Output } from "./output.ts";
import { ProgressBar } from "./progress-bar.ts";
import { readSchema, SCHEMA_HELP } from "./schema-option.ts";
import { counted, readableSize } from "./text.ts";

interface ImportOptions {
  readonly into?: string;
  readonly schema?: string;
  readonly agent?: string;
}

const SHOWN_SKIPPED = 5;

export function addImport(program: Command, contextOf: ContextOf): void {
  program
    .command("import")
    .summary("bring a directory's files into a book")
    .description(
      "Brings a directory's files into a book, byte for byte. A book that is not there is made, with the " +
        "strictest schema that admits every file, unless --schema chooses one. What is in the book and " +
        "not in the directory stays.",
    )
    .argument("<book>", "3 to 50 of a-z, 0-9 and hyphen; made if it is not there")
    .argument("<dir>", "with the files")
    .option("--into <path>", "the book's directory that the files go into (default: its root)")
    .option("--schema <schema>", `for a book that is to be made: ${SCHEMA_HELP}`)
    .option("--agent <name>", `who answers for the changes (default: ${DEFAULT_AGENT})`)
    .addHelpText(
      "after",
      "\nExamples:\n  pfs import my-book ./book\n  pfs import my-book ./site/docs --into content   an existing Docusaurus folder",
    )
    .action(async (book: string, dir: string, options: ImportOptions, command: Command) => {
      const context = contextOf(command);
      const summary = await run(context, {
        bookId: parseBookId(book),
        directory: resolve(dir),
        into: options.into,
        profileJson: options.schema === undefined ? undefined : await readSchema(options.schema),
        actor: currentActor(findAgent(options.agent)),
      });
      show(context.output, summary, dir);
    });
}

function run(context: Context, request: ImportRequest): Promise<ImportSummary> {
  const { bookId, directory, into, profileJson, actor } = request;
  return context.own({
    viaDaemon: (daemon) => {
      const body = { directory, into, schema: profileJson, actor };
      const events = daemon.stream("POST", `/books/${bookId}/import`, body);
      return follow(events as AsyncIterable<ImportEvent>);
    },
    directly: (owner) => follow(importDirectory(owner, request)),
  });
}

function follow(events: AsyncIterable<ImportEvent>): Promise<ImportSummary> {
  const bar = new ProgressBar("Importing");
  return bar.follow(events, ({ files, total_files }) => bar.update(files, total_files));
}

function show(output: Output, summary: ImportSummary, dir: string): void {
  const { type: _type, ...object } = summary;
  output.put(object);
  const { book, created, updated, unchanged, skipped } = summary;
  if (summary.book_created) {
    output.say(`Made the book ${book}; its schema is ${summary.profile_reason ?? `${summary.profile}.`}`);
  }
  const total = created + updated + unchanged;
  output.say(
    `Imported ${counted(total, "file")} (${readableSize(summary.size_bytes)}) from ${dir} into ${book}: ` +
      `${created} created, ${updated} updated, ${unchanged} unchanged.`,
  );
  for (const { path, reason } of skipped.slice(0, SHOWN_SKIPPED)) output.say(`Left out ${path}: ${reason}.`);
  if (skipped.length > SHOWN_SKIPPED)
    output.say(`Left out ${skipped.length - SHOWN_SKIPPED} more such; --json names all.`);
}
