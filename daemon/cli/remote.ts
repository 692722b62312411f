/** `pfs remote`: where a book is shared. */
import type { Command } from "commander";
import { StoreReader } from "../../lib/reader.ts";
import { listRemotes } from "../../lib/shared-rows.ts";
import { type BookId, parseBookId } from "../../schema/ids.ts";
import { findRemoteUrls } from "../remote-urls.ts";
import {
  addRemote,
  removeRemote,
  type SharedBookSummary,
  type UnsharedBookSummary,
} from "../shared-books.ts";
import type { StoreOwner } from "../store-owner.ts";
import type { ContextOf } from "./command.ts";
import { columns, counted } from "./text.ts";

export const URL_HELP =
  "postgres://USER@HOST/DATABASE and s3://BUCKET/PREFIX?endpoint=https://… (of AWS: ?region=…), or file:///DIR for both (default: DATABASE_URL, PFS_REMOTE)";

export function addRemoteCommand(program: Command, contextOf: ContextOf): void {
  const remote = program
    .command("remote")
    .summary("where books are shared")
    .description(
      "Says where books are shared: a log in PostgreSQL and blobs in S3, or a directory for both. Passwords and keys come " +
        "from the environment and are never kept: DATABASE_URL, PGPASSWORD or ~/.pgpass; AWS_ACCESS_KEY_ID and " +
        "AWS_SECRET_ACCESS_KEY. A daemon has the environment that it was started with.",
    );
  remote
    .command("add")
    .summary("share a book")
    .description(
      "Shares a book: makes it on the remote, which must not have one of that name yet. `pfs push` sends it; a daemon that " +
        "runs does so by itself.",
    )
    .argument("<book>", "the book")
    .argument("[url...]", URL_HELP)
    .addHelpText(
      "after",
      "\nExamples:\n  pfs remote add my-book file:///mnt/share/books\n" +
        "  pfs remote add my-book postgres://pfs@db.example/books 's3://my-bucket/books?endpoint=https://ID.r2.cloudflarestorage.com'",
    )
    .action(async (book: string, given: string[], _options: object, command: Command) => {
      const context = contextOf(command);
      const { output } = context;
      const bookId = parseBookId(book);
      const urls = findRemoteUrls(given);
      const { logUrl, blobsUrl } = await context.own<SharedBookSummary>({
        viaDaemon: async (daemon) =>
          (await daemon.call("POST", `/books/${bookId}/remote`, {
            log: urls.logUrl,
            blobs: urls.blobsUrl,
          })) as SharedBookSummary,
        directly: (owner) => addRemote(owner, { bookId, urls }),
      });
      output.put({ book: bookId, log: logUrl, blobs: blobsUrl });
      output.say(
        `The book ${bookId} is shared on ${logUrl === blobsUrl ? logUrl : `${logUrl} and ${blobsUrl}`}.`,
      );
    });
  remote
    .command("remove")
    .summary("share a book no more")
    .description(
      "Shares a book no more from this machine. It stays as it is, with its whole log, here and on the remote; what others do " +
        "there does not come any more. Refused while bytes of it are on the remote only: `pfs prefetch BOOK --history` fetches " +
        "them. `pfs remote add` with the same remote goes on where it was.",
    )
    .argument("<book>", "a book that is shared")
    .addHelpText("after", "\nExample:\n  pfs prefetch my-book --history && pfs remote remove my-book")
    .action(async (book: string, _options: object, command: Command) => {
      const context = contextOf(command);
      const { output } = context;
      const bookId = parseBookId(book);
      const { logUrl, blobsUrl, unsent } = await context.own<UnsharedBookSummary>({
        viaDaemon: async (daemon) =>
          (await daemon.call("DELETE", `/books/${bookId}/remote`)) as UnsharedBookSummary,
        directly: (owner) => removeAsOwner(owner, bookId),
      });
      output.put({ book: bookId, log: logUrl, blobs: blobsUrl, unsent });
      output.say(`The book ${bookId} is shared no more; it was on ${logUrl}.`);
      if (unsent > 0) output.say(`${counted(unsent, "change")} had not been sent there; they are here.`);
    });
  remote
    .command("list")
    .summary("the books that are shared, and where")
    .description("Lists the books that are shared, and where.")
    .action((_options: object, command: Command) => {
      const { output, storeDirectory } = contextOf(command);
      const reader = StoreReader.open(storeDirectory);
      try {
        const remotes = listRemotes(reader.database);
        for (const { bookId, logUrl, blobsUrl } of remotes)
          output.put({ book: bookId, log: logUrl, blobs: blobsUrl });
        const rows = remotes.map(({ bookId, logUrl, blobsUrl }) => [bookId, logUrl, blobsUrl]);
        for (const line of columns(rows)) output.say(line);
        if (remotes.length === 0) output.say("No book is shared.");
      } finally {
        reader.close();
      }
    });
}

async function removeAsOwner(owner: StoreOwner, bookId: BookId): Promise<UnsharedBookSummary> {
  const reader = StoreReader.openBeside(owner.storeDirectory);
  try {
    return await removeRemote(owner, reader, bookId);
  } finally {
    reader.close();
  }
}
