/**
 * Measures questions to a long log: the first line of `.pfs/audit/q/` by one path, of a log of a million rows, right after the
 * daemon has started and later, and how much memory it takes to read all of the rows.
 */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Library } from "../../lib/library.ts";
import { BASE, parseAgentName, parseBookId } from "../../schema/ids.ts";
import { makeBook } from "./book.ts";
import type { Figure } from "./opening.ts";
import { mountPfs, runPinned, startPfs, stopPfs } from "./targets.ts";

const CLIENT = new URL("client.ts", import.meta.url).pathname;
const ROWS = 1_000_000;
const BATCH = 20_000;
const FILES = 1000;
const FIRST_LINE_LIMIT_MS = 20;
const GROWTH_LIMIT_MIB = 64;

export function measureAudit(work: string): Figure[] {
  const book = join(work, "book");
  makeBook(book, { files: FILES, meanBytes: 600 });
  const pfs = startPfs(book, work);
  const store = join(work, "pfs", "store");
  stopPfs(store);
  fillLog(store);
  mountPfs(store, pfs.directory);
  try {
    const { first, later } = JSON.parse(runPinned(process.execPath, CLIENT, "audit", pfs.directory));
    const before = residentMib(store);
    const rows = execFileSync("wc", ["-l", join(pfs.directory, ".pfs", "audit", "all.jsonl")]).toString();
    if (Number.parseInt(rows, 10) < ROWS) throw new Error(`the log has ${rows} rows`);
    const growth = residentMib(store) - before;
    const of = "`audit/q/path=…` of a log of 1,000,000 rows: to the first line";
    return [
      {
        title: `${of}, first question after a start`,
        value: first / 1000,
        unit: "ms",
        limit: FIRST_LINE_LIMIT_MS,
      },
      { title: "the same, later", value: later / 1000, unit: "ms", limit: FIRST_LINE_LIMIT_MS },
      {
        title: "memory that reading all of its rows adds",
        value: growth,
        unit: "MiB",
        limit: GROWTH_LIMIT_MIB,
      },
    ];
  } finally {
    pfs.stop();
  }
}

/** Refused saves of all files in turn, by two agents: rows like any other, which change nothing. */
function fillLog(store: string): void {
  const library = Library.open(store);
  try {
    const { bookId } = library.books.get(parseBookId("bench"));
    const paths = library.store.database
      .prepare("SELECT path FROM file_journal ORDER BY path")
      .pluck()
      .all() as string[];
    for (let row = library.log.seq; row < ROWS; ) {
      library.store.transaction(() => {
        for (let end = Math.min(ROWS, row + BATCH); row < end; row++)
          library.log.append(
            {
              operation: "update",
              bookId,
              path: paths[row % paths.length] as string,
              userId: BASE,
              prevHash: null,
              newHash: null,
              status: "refused",
              errorMessage: "It was changed by someone else since it was read here.",
              startedMs: performance.now(),
              fileId: null,
            },
            { agent: parseAgentName(row % 2 === 0 ? "ann" : "ben"), uid: 0, pid: 1, command: () => "bench" },
          );
      });
      library.store.checkpoint();
    }
  } finally {
    library.close();
  }
}

function residentMib(store: string): number {
  const pid = readFileSync(join(store, "lock"), "utf8").trim();
  const kib = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Math.round(Number(kib) / 1024);
}
