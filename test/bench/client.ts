/**
 * The measuring client: one process, pinned by its starter, that does file operations in a directory and prints medians
 * in microseconds as JSON. Knows nothing of what it measures. Usage: client.ts MEASUREMENT DIRECTORY
 */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join, relative } from "node:path";
// How a buffer lies in memory makes more of a difference than what is measured.
import { allocatePageAligned } from "../../lib/libc.ts";

const LESSON_BYTES = 15_000;
const MIB = 1024 * 1024;
const LARGE_MIB = 1024;
const LARGE_READS = 3;
const PLAN_ROUNDS = 15;
const PLAN_CHANGES = 10;

function lessons(directory: string): string[] {
  const found: string[] = [];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.name.startsWith(".")) continue;
    const path = join(directory, entry.name);
    if (entry.isDirectory()) found.push(...lessons(path));
    else found.push(path);
  }
  return found;
}

function directories(directory: string): string[] {
  const found = [directory];
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory() && !entry.name.startsWith("."))
      found.push(...directories(join(directory, entry.name)));
  }
  return found;
}

/** Median duration of one call in microseconds, over all `items`, `rounds` times, after one round to warm up. */
function measure<Item>(items: readonly Item[], rounds: number, act: (item: Item) => void): number {
  for (const item of items) act(item);
  const samples = new Float64Array(items.length * rounds);
  let next = 0;
  for (let round = 0; round < rounds; round++) {
    for (const item of items) {
      const start = process.hrtime.bigint();
      act(item);
      samples[next++] = Number(process.hrtime.bigint() - start) / 1000;
    }
  }
  return median(samples);
}

function median(samples: Float64Array): number {
  samples.sort();
  return samples[Math.floor(samples.length / 2)] as number;
}

function small(directory: string): Record<string, number> {
  const files = lessons(join(directory, "content"));
  const folders = directories(join(directory, "content"));
  const buffer = allocatePageAligned(0, 128 * 1024);
  return {
    stat: measure(files, 5, (path) => statSync(path)),
    readdir: measure(folders, 20, (path) => readdirSync(path)),
    openClose: measure(files, 5, (path) => closeSync(openSync(path, "r"))),
    openReadClose: measure(files, 5, (path) => {
      const fd = openSync(path, "r");
      while (readSync(fd, buffer, 0, buffer.length, null) > 0);
      closeSync(fd);
    }),
  };
}

/** Creates, writes and closes new files of a lesson's size; then writes each again. */
function write(directory: string): Record<string, number> {
  const folder = join(directory, "content", "bench-write");
  const bytes = Buffer.alloc(LESSON_BYTES, "A lesson's text. ");
  let count = 0;
  const save = (path: string, flags: string) => {
    bytes.writeUInt32LE(++count, 0);
    const fd = openSync(path, flags);
    writeSync(fd, bytes);
    closeSync(fd);
  };
  mkdirSync(folder);
  const names = Array.from({ length: 400 }, (_, index) => join(folder, `${index}.md`));
  const create = new Float64Array(names.length);
  names.forEach((path, index) => {
    const start = process.hrtime.bigint();
    save(path, "w");
    create[index] = Number(process.hrtime.bigint() - start) / 1000;
  });
  const rewrite = measure(names, 1, (path) => save(path, "w"));
  const unlink = new Float64Array(names.length);
  names.forEach((path, index) => {
    const start = process.hrtime.bigint();
    unlinkSync(path);
    unlink[index] = Number(process.hrtime.bigint() - start) / 1000;
  });
  rmSync(folder, { recursive: true });
  return { createWriteClose: median(create), rewriteClose: rewrite, unlink: median(unlink) };
}

/** Appends to each lesson once, as a program that opens, writes and closes it. */
function copyUp(directory: string): Record<string, number> {
  const samples = Float64Array.from(lessons(join(directory, "content")), (path) => {
    const start = process.hrtime.bigint();
    const fd = openSync(path, "a");
    writeSync(fd, "Another sentence.\n");
    closeSync(fd);
    return Number(process.hrtime.bigint() - start) / 1000;
  });
  return { copyUp: median(samples) };
}

/**
 * Sequential throughput of one large file, MiB per second: of writing it, of reading it when the kernel must ask for every page, and
 * of reading it from the pages that the kernel has.
 */
function large(directory: string): Record<string, number> {
  const path = join(directory, "static", "img", "large.bin");
  const chunk = allocatePageAligned(0, MIB);
  const writeMiBs = throughput(() => {
    const fd = openSync(path, "w");
    for (let i = 0; i < LARGE_MIB; i++) {
      chunk.writeUInt32LE(i, 0);
      writeSync(fd, chunk);
    }
    closeSync(fd);
  });
  const read = () => {
    const fd = openSync(path, "r");
    let total = 0;
    for (let length = 1; length > 0; total += length) length = readSync(fd, chunk, 0, MIB, null);
    if (total !== fstatSync(fd).size) throw new Error(`read ${total} bytes of ${fstatSync(fd).size}`);
    closeSync(fd);
  };
  const fromPages: number[] = [];
  const asked: number[] = [];
  for (let round = 0; round < LARGE_READS; round++) fromPages.push(throughput(read));
  for (let round = 0; round < LARGE_READS; round++) {
    // posix_fadvise(2), which Node does not have: this file system's pages go, those of the files below it stay.
    execFileSync("dd", [`if=${path}`, "iflag=nocache", "count=0", "status=none"]);
    asked.push(throughput(read));
  }
  unlinkSync(path);
  return {
    writeMiBs,
    readMiBs: median(Float64Array.from(asked)),
    readCachedMiBs: median(Float64Array.from(fromPages)),
  };
}

/** MiB per second of something done with {@link LARGE_MIB}. */
function throughput(act: () => void): number {
  const start = process.hrtime.bigint();
  act();
  return LARGE_MIB / (Number(process.hrtime.bigint() - start) / 1e9);
}

/** Of each of several rounds of ten changed files: microseconds of reading `.pfs/manifest.hash` and `.pfs/plan/<hash>`. */
function plans(directory: string): Record<string, number> {
  const files = lessons(join(directory, "content"));
  const read = (path: string): { us: number; text: string } => {
    const start = process.hrtime.bigint();
    const text = readFileSync(join(directory, ".pfs", path), "utf8");
    return { us: Number(process.hrtime.bigint() - start) / 1000, text };
  };
  let built = read("manifest.hash").text.trim();
  let changes = 0;
  const change = (count: number): void => {
    for (let index = 0; index < count; index++) {
      const path = files[Math.floor((index * files.length) / count)] as string;
      writeFileSync(path, `# Changed ${++changes}\n`);
    }
  };
  const samples: Record<string, number[]> = { unchanged: [], afterOne: [], plan: [], planFirst: [] };
  for (let round = 0; round < PLAN_ROUNDS; round++) {
    change(PLAN_CHANGES);
    const first = read(`plan/${built}`);
    samples.planFirst?.push(first.us);
    if (JSON.parse(first.text).files.length !== PLAN_CHANGES) throw new Error(first.text.slice(0, 1000));
    samples.plan?.push(read(`plan/${built}`).us);
    change(1);
    const after = read("manifest.hash");
    samples.afterOne?.push(after.us);
    samples.unchanged?.push(read("manifest.hash").us);
    built = after.text.trim();
  }
  return Object.fromEntries(Object.entries(samples).map(([key, us]) => [key, median(Float64Array.from(us))]));
}

/** To the first line of what the log has of one path: of the first one asked for, and the median of others. */
function audit(directory: string): Record<string, number> {
  const line = Buffer.alloc(4096);
  const ask = (path: string): number => {
    const start = process.hrtime.bigint();
    const fd = openSync(
      join(directory, ".pfs", "audit", "q", `path=${relative(directory, path)}.jsonl`),
      "r",
    );
    const length = readSync(fd, line, 0, line.length, 0);
    const us = Number(process.hrtime.bigint() - start) / 1000;
    closeSync(fd);
    if (!line.subarray(0, length).includes("\n")) throw new Error(`no line about ${path}`);
    return us;
  };
  const [first = "", ...others] = lessons(join(directory, "content")).filter((_, index) => index % 7 === 0);
  return { first: ask(first), later: median(Float64Array.from(others, ask)) };
}

const measurements: Record<string, (directory: string) => Record<string, number>> = {
  small,
  write,
  copyUp,
  large,
  plans,
  audit,
};
const [name = "", directory = ""] = process.argv.slice(2);
const chosen = measurements[name];
if (chosen === undefined)
  throw new Error(`usage: client.ts ${Object.keys(measurements).join("|")} DIRECTORY`);
console.log(JSON.stringify(chosen(directory)));
