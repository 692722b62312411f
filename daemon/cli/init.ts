/** `pfs init`: makes an empty book. */
import type { Command } from "commander";
import { parseBookId } from "../../schema/ids.ts";
import type { ContextOf } from "./command.ts";
import { readSchema, SCHEMA_HELP } from "./schema-option.ts";

export function addInit(program: Command, contextOf: ContextOf): void {
  program
    .command("init")
    .summary("make an empty book")
    .description("Makes an empty book, and the store if there is none. What may be in it is its schema.")
    .argument("<book>", "3 to 50 of a-z, 0-9 and hyphen")
    .option("--schema <schema>", SCHEMA_HELP, "strict")
    .addHelpText("after", "\nExample:\n  pfs init my-book --schema docusaurus")
    .action(async (book: string, { schema }: { schema: string }, command: Command) => {
      const context = contextOf(command);
      const { output, storeDirectory } = context;
      const bookId = parseBookId(book);
      const profileJson = await readSchema(schema);
      const { profile } = await context.own<{ profile: string }>({
        viaDaemon: async (daemon) =>
          (await daemon.call("POST", "/books", { book, schema: profileJson })) as { profile: string },
        directly: (owner) => owner.createBook({ bookId, profileJson }),
      });
      output.say(`Made the book ${bookId} (schema ${profile}) in ${storeDirectory}.`);
      output.put({ book: bookId, profile, store: storeDirectory });
    });
}
