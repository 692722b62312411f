/** `pfs log`: who changed what. */
import { once } from "node:events";
import type { Command } from "commander";
import { type LogQuery, oldestFirst, readLog } from "../../lib/history.ts";
import type { StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import { parseUserId } from "../../schema/ids.ts";
import { askedPaths } from "../../schema/log-question.ts";
import { type LogOperation, type LogRow, logOperations, toldRow } from "../../schema/log-row.ts";
import { parseTime } from "../../schema/reference.ts";
import type { ContextOf } from "./command.ts";
import { statusOf } from "./context.ts";
import { isMoveAway, logLines } from "./log-lines.ts";
import { findPlace, type LogPlace } from "./log-place.ts";
import type { Output } from "./output.ts";
import { ageOf, localTime } from "./text.ts";

interface LogOptions {
  readonly limit?: string;
  readonly path?: string;
  readonly agent?: string;
  readonly user?: string;
  readonly operation?: string;
  readonly refused?: boolean;
  readonly since?: string;
  readonly until?: string;
  readonly reverse?: boolean;
  readonly iso?: boolean;
}

/** "12 minutes ago" */
const AGE_CHARS = 14;
const OPERATIONS: readonly string[] = logOperations;

export function addLog(program: Command, contextOf: ContextOf): void {
  program
    .command("log")
    .summary("who changed what")
    .description(
      "Shows the log, newest first: of the store, of a book, or of one file across its renames. A path may be one " +
        "in the book, or that of a file in a mount; then, and when there is one book only, BOOK may be left out.",
    )
    .argument("[book]", "only of this book")
    .argument("[path]", "a file or a directory")
    .option("-n, --limit <count>", "at most so many rows")
    .option("--path <pattern>", "only paths that fit: * is any part of a name, ** any number of names")
    .option("--agent <name>", "only what this agent answers for")
    .option("--user <user>", "only what is in this user's overlay")
    .option("--operation <operation>", OPERATIONS.join(", "))
    .option("--refused", "only what was refused")
    .option("--since <time>", "an ISO time, or an age such as 2h or 7d")
    .option("--until <time>", "an ISO time, or an age")
    .option("--reverse", "oldest first")
    .option("--iso", "exact times (UTC) in place of ages")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs log\n  pfs log book/content/01-Part/01-Chapter/01-lesson.md\n  pfs log my-book --agent claude-7 --since 2h --json\n  pfs log my-book --path 'content/01-*/**' --refused | less",
    )
    .action(
      async (
        first: string | undefined,
        second: string | undefined,
        options: LogOptions,
        command: Command,
      ) => {
        const context = contextOf(command);
        const filter = filterOf(options);
        const daemon = await context.daemon();
        const mounts = daemon === undefined ? [] : (await statusOf(daemon)).mounts;
        await context.read(async (reader) => {
          const words = [first, second].filter((word) => word !== undefined);
          const books = reader.listBooks().map(({ bookId }) => bookId);
          const place = await findPlace(words, { books, mounts });
          if (options.path !== undefined && (place.path ?? "") !== "")
            throw usage("A path and --path ask for different things: give one of them.");
          const query = { ...filter, ...placeQuery(reader, place) };
          const newest = readLog(reader, query);
          await show(context.output, options.reverse === true ? oldestFirst(reader, newest) : newest, {
            ofOneFile: query.followRenames === true,
            timeOf: timesAs(options),
          });
        });
      },
    );
}

/** A path that is a file's, now or once, is that file across its renames; else what is below it. */
function placeQuery(reader: StoreReader, { book, path }: LogPlace): LogQuery {
  if (book === undefined) return {};
  if (path === undefined || path === "") return { bookId: book };
  const asFile: LogQuery = { bookId: book, path, followRenames: true };
  const isFile = readLog(reader, { bookId: book, path, limit: 1 }).next().done !== true;
  if (isFile) return asFile;
  const below: LogQuery = { bookId: book, below: path };
  if (readLog(reader, { ...below, limit: 1 }).next().done !== true) return below;
  throw new PfsError("NOT_FOUND", `The log of ${book} has nothing about ${path}.`, {
    path,
    hint: `\`pfs log ${book}\` shows all of it; paths are relative to the book's root.`,
  });
}

/** How times are told: on a terminal as ages. */
function timesAs({ iso = false }: LogOptions): (timestamp: string) => string {
  if (iso) return (timestamp) => timestamp;
  if (!process.stdout.isTTY) return localTime;
  const nowMs = Date.now();
  return (timestamp) => ageOf(timestamp, nowMs).padEnd(AGE_CHARS);
}

function filterOf({ limit, path, agent, user, operation, refused, since, until }: LogOptions): LogQuery {
  if (limit !== undefined && !/^[0-9]+$/.test(limit)) throw usage(`--limit takes a number, not ${limit}.`);
  if (operation !== undefined && !OPERATIONS.includes(operation)) {
    throw usage(`There is no operation ${operation}; there are ${OPERATIONS.join(", ")}.`);
  }
  return {
    ...(limit === undefined ? {} : { limit: Number(limit) }),
    ...(path === undefined ? {} : askedPaths(path)),
    ...(agent === undefined ? {} : { agent }),
    ...(user === undefined ? {} : { userId: parseUserId(user) }),
    ...(operation === undefined ? {} : { operation: operation as LogOperation }),
    ...(refused === true ? { status: "refused" as const } : {}),
    ...(since === undefined ? {} : { since: timeOf("--since", since) }),
    ...(until === undefined ? {} : { until: timeOf("--until", until) }),
  };
}

function timeOf(option: string, text: string): string {
  const ms = parseTime(text)?.(Date.now());
  const date = new Date(ms ?? Number.NaN);
  if (!Number.isNaN(date.getTime())) return date.toISOString();
  throw usage(`${option} takes an ISO time such as 2025-11-25T21:46:00Z or an age such as 2h, not ${text}.`);
}

function usage(message: string): PfsError {
  return new PfsError("USAGE", message, { hint: "`pfs log --help` has examples." });
}

interface ShowOptions {
  readonly ofOneFile: boolean;
  timeOf(timestamp: string): string;
}

async function show(
  output: Output,
  rows: Iterable<LogRow>,
  { ofOneFile, timeOf }: ShowOptions,
): Promise<void> {
  let count = 0;
  for (const row of rows) {
    count++;
    output.put(toldRow(row));
    if (ofOneFile || !isMoveAway(row)) {
      const [line = [], ...reasons] = logLines(row, timeOf(row.timestamp));
      output.say([String(row.seq).padStart(6), ...line]);
      for (const reason of reasons) output.say(["", ...reason]);
    }
    if (process.stdout.writableNeedDrain) await once(process.stdout, "drain");
  }
  if (count === 0) output.say("The log has no such row.");
}
