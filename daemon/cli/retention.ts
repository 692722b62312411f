/** `pfs retention`: old rows of the log, in segments on the remote. */
import type { Command } from "commander";
import type { StoreReader } from "../../lib/reader.ts";
import { MovedRows } from "../../lib/retention/moved-rows.ts";
import { listRemotes } from "../../lib/shared-rows.ts";
import type { Moved } from "../../lib/sync/move-book.ts";
import { PfsError } from "../../schema/errors.ts";
import { type BookId, parseBookId } from "../../schema/ids.ts";
import { parseTime } from "../../schema/reference.ts";
import { DEFAULT_RETENTION, type Retention, retentionText } from "../../schema/retention.ts";
import { readConfigDefaults } from "../config-file.ts";
import type { ContextOf } from "./command.ts";
import type { Context } from "./context.ts";
import { withBookSync } from "./sync-run.ts";
import { columns, counted, localTime, readableSize } from "./text.ts";

interface RetentionOptions {
  readonly move?: boolean;
  readonly olderThan?: string;
  readonly recall?: boolean;
}

export function addRetention(program: Command, contextOf: ContextOf): void {
  program
    .command("retention")
    .summary("old rows of the log, in segments on the remote")
    .description(
      "Says which rows of the log of shared books have moved into compressed segments on the remote and in the store. " +
        "A daemon moves those that are older than the configuration's `retention` (90d without one, or forever). `pfs log`, " +
        ".pfs/audit/ and `pfs verify` read them as before; states of the book (at=, show, diff, restore) of which rows have " +
        "moved can be looked at once they are brought back. Books that are not shared keep all rows.",
    )
    .argument("[book]", "a book that is shared")
    .option("--move", "move old rows now")
    .option("--older-than <time>", "with --move: rows before this ISO time, or of this age such as 30d")
    .option("--recall", "bring all rows of the book back; they stay for a week at least")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs retention\n  pfs retention my-book --move --older-than 30d\n  pfs retention my-book --recall",
    )
    .action(async (book: string | undefined, options: RetentionOptions, command: Command) => {
      const context = contextOf(command);
      const { move = false, recall = false, olderThan } = options;
      if (move && recall) throw usage("--move and --recall are each other's opposite.");
      if (olderThan !== undefined && !move) throw usage("--older-than says what --move is to move.");
      if (!move && !recall) {
        await context.read((reader) =>
          show(context, reader, book === undefined ? undefined : parseBookId(book)),
        );
        return;
      }
      if (book === undefined) throw usage("Name the book.");
      if (move) await moveOld(context, parseBookId(book), timeBefore(olderThan));
      else await recallAll(context, parseBookId(book));
    });
}

async function moveOld(context: Context, bookId: BookId, before: string): Promise<void> {
  const { segments, rows, removed } = await context.own<Moved>({
    viaDaemon: async (daemon) =>
      (await daemon.call("POST", `/books/${bookId}/retention`, { before })) as Moved,
    directly: (owner) =>
      withBookSync(owner, bookId, (sync, signal) =>
        sync.moveOldRows({ before, smallBefore: before }, signal),
      ),
  });
  const { output } = context;
  output.put({ book: bookId, segments, rows, removed });
  output.say(
    segments === 0 && removed === 0
      ? `${bookId}: no row of the log had to move.`
      : `${bookId}: ${counted(rows, "row")} went into ${counted(segments, "segment")}; ${removed} of the table left it.`,
  );
}

async function recallAll(context: Context, bookId: BookId): Promise<void> {
  const { rows } = await context.own<{ readonly rows: number }>({
    viaDaemon: async (daemon) =>
      (await daemon.call("POST", `/books/${bookId}/retention`, { recall: true })) as { rows: number },
    directly: (owner) =>
      withBookSync(owner, bookId, async (sync, signal) => ({ rows: await sync.recallRows(signal) })),
  });
  const { output } = context;
  output.put({ book: bookId, rows });
  output.say(
    rows === 0
      ? `${bookId}: every row of the log is there.`
      : `${bookId}: ${counted(rows, "row")} came back, and ${rows === 1 ? "stays" : "stay"} for a week at least.`,
  );
}

function show({ output }: Context, reader: StoreReader, book: BookId | undefined): void {
  if (book !== undefined) reader.book(book);
  const moved = MovedRows.of(reader.database);
  const shared = listRemotes(reader.database).map(({ bookId }) => bookId);
  const books = book === undefined ? reader.listBooks().map(({ bookId }) => bookId) : [book];
  const size = reader.database
    .prepare<unknown[], number>(
      "SELECT coalesce(sum(length(bytes)), 0) FROM log_segment_bytes WHERE sha256 = ?",
    )
    .pluck();
  const rows = books.map((bookId) => {
    const horizon = moved.horizonOf(bookId);
    const segments = moved.segments(bookId);
    const last = segments.findLast(({ lastSeq }) => lastSeq <= horizon);
    const bytes = segments.reduce((sum, { sha256 }) => sum + (size.get(sha256) ?? 0), 0);
    const isShared = shared.includes(bookId);
    const time = last?.lastTime ?? null;
    output.put({ book: bookId, shared: isShared, position: horizon, time, segments: segments.length, bytes });
    const where =
      time === null
        ? isShared
          ? "all rows are in the table"
          : "not shared: all rows stay in the table"
        : `rows before position ${horizon} (${localTime(time)}) are in segments`;
    const also =
      segments.length === 0 ? "" : `${counted(segments.length, "segment")}, ${readableSize(bytes)}`;
    return [bookId, where, also];
  });
  for (const line of columns(rows)) output.say(line);
  if (rows.length === 0) output.say("There is no book.");
}

/** ISO 8601 UTC. */
function timeBefore(given: string | undefined): string {
  const nowMs = Date.now();
  const kept: Retention = readConfigDefaults(process.env).retention ?? DEFAULT_RETENTION;
  if (given === undefined && kept === "forever")
    throw usage(
      `The configuration keeps rows ${retentionText(kept)}: say which are to move with --older-than.`,
    );
  const ms = given === undefined ? nowMs - (kept as number) : (parseTime(given)?.(nowMs) ?? Number.NaN);
  const date = new Date(ms);
  if (!Number.isNaN(date.getTime())) return date.toISOString();
  throw usage(
    `--older-than takes an ISO time such as 2025-11-25T21:46:00Z or an age such as 30d, not ${given}.`,
  );
}

function usage(message: string): PfsError {
  return new PfsError("USAGE", message, { hint: "`pfs retention --help` has examples." });
}
