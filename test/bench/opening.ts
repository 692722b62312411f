/**
 * Measures what must not grow with the book: a book of 100,000 files from the start of the mount to its first listing, and the
 * daemon's memory after `find` over all of it; and how fast a book is imported.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { median } from "../median.ts";
import { makeBook } from "./book.ts";
import { runPinned, stopPfs } from "./targets.ts";

const PFS = new URL("../../bin/pfs.js", import.meta.url).pathname;
const BYTES_PER_KIB = 1024;
const ROUNDS = 5;

export interface Figure {
  readonly title: string;
  readonly value: number;
  readonly unit: string;
  readonly limit: number;
}

/** A daemon that it starts is pinned, too. */
function pfs(store: string, ...args: string[]): void {
  runPinned(process.execPath, PFS, "--store", store, ...args);
}

/** 2,000 files, 25 MB, the command's start included. */
export function measureImport(work: string): Figure[] {
  const book = join(work, "book");
  makeBook(book, { files: 2000, meanBytes: 12_500 });
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const store = join(work, `store-${round}`);
    pfs(store, "init", "bench", "--schema", "any");
    const start = performance.now();
    pfs(store, "import", "bench", book);
    times.push((performance.now() - start) / 1000);
  }
  return [{ title: "import of 2,000 files, 25 MB", value: median(times), unit: "s", limit: 2 }];
}

export async function measureOpening(work: string): Promise<Figure[]> {
  const book = join(work, "book");
  const store = join(work, "store");
  const directory = join(work, "mount");
  mkdirSync(directory, { recursive: true });
  makeBook(book, { files: 100_000, meanBytes: 600 });
  pfs(store, "init", "bench", "--schema", "any");
  pfs(store, "import", "bench", book);
  // The daemon that mounts runs already: what is measured is the opening of the book, as `pfs mount` asks for it.
  const idle = join(work, "idle");
  mkdirSync(idle);
  const start = (): void => {
    pfs(store, "mount", "bench", idle, "-o", "agent=bench");
    pfs(store, "umount", idle);
  };
  const request = [
    "--silent",
    "--fail",
    "--unix-socket",
    join(store, "pfsd.sock"),
    "-H",
    "content-type: application/json",
  ];
  const open = (at: string, options: string): number => {
    const body = JSON.stringify({ book: "bench", directory: at, options });
    const startMs = performance.now();
    const asked = [...request, "-d", body, "http://pfsd/mounts"];
    const names = runPinned("sh", "-c", 'curl "$@" > /dev/null && ls "$0"', at, ...asked);
    const openedMs = performance.now() - startMs;
    if (!/^content$/m.test(names)) throw new Error(`the root lists ${names}`);
    return openedMs;
  };
  // The first start of a checkout compiles its sources, and holds the compiler.
  start();
  stopPfs(store);
  const times: number[] = [];
  for (;;) {
    start();
    times.push(open(directory, "agent=bench"));
    if (times.length === ROUNDS) break;
    stopPfs(store);
  }
  runPinned("find", directory, "-type", "f", "-newermt", "2100-01-01");
  const status = execFileSync(process.execPath, [PFS, "--store", store, "status", "--json"], {
    encoding: "utf8",
  });
  const memory = residentMb(JSON.parse(status).pid);
  // Into the midst of its history.
  const pastMs = open(idle, "agent=bench,at=50000");
  stopPfs(store);
  return [
    {
      title:
        "book of 100,000 files, by a daemon that runs: from the mount's start to the first `ls` of the root",
      value: median(times),
      unit: "ms",
      limit: 100,
    },
    {
      title: "the same, as it was at half of its log (`at=50000`)",
      value: pastMs,
      unit: "ms",
      limit: 100,
    },
    { title: "memory of the daemon after `find` over all of them", value: memory, unit: "MB", limit: 150 },
  ];
}

/** Millions of bytes. */
function residentMb(pid: number): number {
  const match = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"));
  if (match === null) throw new Error(`no VmRSS of process ${pid}`);
  return (Number(match[1]) * BYTES_PER_KIB) / 1e6;
}
