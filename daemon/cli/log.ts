/** `pfs log`: who changed what. */
import { once } from "node:events";
import type { Command } from "commander";
import { type LogQuery, readLog } from "../../lib/history.ts";
import type { StoreReader } from "../../lib/reader.ts";
import { PfsError } from "../../schema/errors.ts";
import type { LogOperation, LogRow } from "../../schema/log-row.ts";
import type { ContextOf } from "./command.ts";
import { statusOf } from "./context.ts";
import { findPlace, type LogPlace } from "./log-place.ts";
import type { Output } from "./output.ts";
import { localTime } from "./text.ts";

interface LogOptions {
  readonly limit?: string;
  readonly agent?: string;
  readonly operation?: string;
  readonly refused?: boolean;
  readonly since?: string;
  readonly until?: string;
}

const OPERATIONS: readonly string[] = [
  "create",
  "update",
  "delete",
  "rename",
  "attributes",
] satisfies LogOperation[];
const UNITS_MS: Readonly<Record<string, number>> = {
  s: 1000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

export function addLog(program: Command, contextOf: ContextOf): void {
  program
    .command("log")
    .summary("who changed what")
    .description(
      "Shows the log, newest first: of the store, of a book, or of one file across its renames. A path may be one " +
        "in the book, or that of a file in a mount; then, and when there is one book only, BOOK may be left out.",
    )
    .argument("[book]")
    .argument("[path]", "a file or a directory")
    .option("-n, --limit <count>", "at most so many rows")
    .option("--agent <name>", "only what this agent answers for")
    .option("--operation <operation>", OPERATIONS.join(", "))
    .option("--refused", "only what was refused")
    .option("--since <time>", "an ISO time, or an age such as 2h or 7d")
    .option("--until <time>", "an ISO time, or an age")
    .addHelpText(
      "after",
      "\nExamples:\n  pfs log\n  pfs log book/content/01-Part/01-Chapter/01-lesson.md\n  pfs log my-book --agent claude-7 --since 2h --json",
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
          const query = { ...filter, ...placeQuery(reader, place) };
          await show(context.output, readLog(reader, query), { ofOneFile: query.path !== undefined });
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

function filterOf({ limit, agent, operation, refused, since, until }: LogOptions): LogQuery {
  if (limit !== undefined && !/^[0-9]+$/.test(limit)) throw usage(`--limit takes a number, not ${limit}.`);
  if (operation !== undefined && !OPERATIONS.includes(operation)) {
    throw usage(`There is no operation ${operation}; there are ${OPERATIONS.join(", ")}.`);
  }
  return {
    ...(limit === undefined ? {} : { limit: Number(limit) }),
    ...(agent === undefined ? {} : { agent }),
    ...(operation === undefined ? {} : { operation: operation as LogOperation }),
    ...(refused === true ? { status: "refused" as const } : {}),
    ...(since === undefined ? {} : { since: parseTime("--since", since) }),
    ...(until === undefined ? {} : { until: parseTime("--until", until) }),
  };
}

function parseTime(option: string, text: string): string {
  const age = /^([0-9]+)([smhdw])$/.exec(text);
  const ms =
    age === null ? Date.parse(text) : Date.now() - Number(age[1]) * (UNITS_MS[age[2] as string] as number);
  const date = new Date(ms);
  if (!Number.isNaN(date.getTime())) return date.toISOString();
  throw usage(`${option} takes an ISO time such as 2025-11-25T21:46:00Z or an age such as 2h, not ${text}.`);
}

function usage(message: string): PfsError {
  return new PfsError("USAGE", message, { hint: "`pfs log --help` has examples." });
}

interface ShowOptions {
  readonly ofOneFile: boolean;
}

async function show(output: Output, rows: Iterable<LogRow>, { ofOneFile }: ShowOptions): Promise<void> {
  let count = 0;
  for (const row of rows) {
    count++;
    output.put(row);
    // A rename is two rows; the one of the new name says it all.
    if (ofOneFile || !isMoveAway(row)) for (const line of linesOf(row)) output.say(line);
    if (process.stdout.writableNeedDrain) await once(process.stdout, "drain");
  }
  if (count === 0) output.say("The log has no such row.");
}

function linesOf(row: LogRow): string[] {
  const { seq, timestamp, agent_id, operation, status, error_message, command } = row;
  const verb = status === "refused" ? "refused" : operation;
  const by = command === null || command === "" ? agent_id : `${agent_id}, ${command}`;
  const line = `${String(seq).padStart(6)}  ${localTime(timestamp)}  ${verb.padEnd(10)}  ${pathOf(row)}  (${by})`;
  return error_message === null ? [line] : [line, `${" ".repeat(8)}${operation}: ${error_message}`];
}

function pathOf(row: LogRow): string {
  const { operation, path, prev_path, status } = row;
  if (isMoveAway(row)) return `${path} (moved away)`;
  return operation === "rename" && status === "ok" && prev_path !== null ? `${prev_path} → ${path}` : path;
}

function isMoveAway({ operation, status, new_hash }: LogRow): boolean {
  return operation === "rename" && status === "ok" && new_hash === null;
}
