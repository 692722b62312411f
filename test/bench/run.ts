/**
 * `npm run bench`: measures pfs beside its peers, prints the table, and writes BENCHMARKS.md. Medians of medians over several
 * interleaved rounds; client and servers are pinned to one core, so that the ratios within a run can be trusted.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { makeBook } from "./book.ts";
import { measureImport, measureOpening } from "./opening.ts";
import { runPinned, startNative, startPeer, startPfs, type Target } from "./targets.ts";

const ROUNDS = 3;
const LARGE_ROUNDS = 2;
const CLIENT = new URL("client.ts", import.meta.url).pathname;
const REPORT = new URL("../../BENCHMARKS.md", import.meta.url).pathname;
const BOOK = { files: 960, meanBytes: 15_000 };

type Figures = Map<string, Map<string, number[]>>;

interface Row {
  readonly key: string;
  readonly title: string;
  /** What the issue asks for: a ratio against a peer; for throughput more is better. */
  readonly against?: string;
  readonly limit?: number;
  readonly isThroughput?: boolean;
}

const rows: readonly Row[] = [
  { key: "stat", title: "stat, µs", against: "native", limit: 1.3 },
  { key: "readdir", title: "readdir, µs", against: "native", limit: 1.3 },
  { key: "openClose", title: "open + close, µs" },
  {
    key: "openReadClose",
    title: "open + read + close of a lesson, µs",
    against: "fuse-overlayfs",
    limit: 1.2,
  },
  {
    key: "createWriteClose",
    title: "create + write 15 KB + close, µs",
    against: "fuse-overlayfs",
    limit: 1.5,
  },
  { key: "rewriteClose", title: "open + write 15 KB + close, µs" },
  { key: "unlink", title: "unlink, µs" },
  {
    key: "writeMiBs",
    title: "write 1 GiB, MiB/s",
    against: "fuse-overlayfs",
    limit: 0.5,
    isThroughput: true,
  },
  { key: "readMiBs", title: "read 1 GiB, MiB/s", against: "fuse-overlayfs", limit: 0.8, isThroughput: true },
];

function record(figures: Figures, target: string, measured: Record<string, number>): void {
  for (const [key, value] of Object.entries(measured)) {
    const byTarget = figures.get(key) ?? new Map<string, number[]>();
    figures.set(key, byTarget);
    byTarget.set(target, [...(byTarget.get(target) ?? []), value]);
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] as number;
}

function measureAll(targets: readonly Target[], figures: Figures): void {
  for (const [measurement, rounds] of [
    ["small", ROUNDS],
    ["write", ROUNDS],
    ["large", LARGE_ROUNDS],
  ] as const) {
    for (let round = 0; round < rounds; round++) {
      for (const target of targets) {
        const printed = runPinned(process.execPath, CLIENT, measurement, target.directory);
        record(figures, target.name, JSON.parse(printed));
        process.stderr.write(`${measurement} ${round + 1}/${rounds} ${target.name}\n`);
      }
    }
  }
}

function format(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toFixed(1);
}

function tableOf(figures: Figures, names: readonly string[]): string {
  const lines = [
    `| | ${names.join(" | ")} | wanted | is |`,
    `|---|${names.map(() => "--:|").join("")}---|---|`,
  ];
  for (const { key, title, against, limit, isThroughput } of rows) {
    const values = new Map([...(figures.get(key) ?? [])].map(([name, list]) => [name, median(list)]));
    const cells = names.map((name) => format(values.get(name) ?? Number.NaN));
    let verdict = " | ";
    if (against !== undefined && limit !== undefined) {
      const ratio = (values.get("pfs") as number) / (values.get(against) as number);
      const met = isThroughput === true ? ratio >= limit : ratio <= limit;
      verdict = `${isThroughput === true ? "≥" : "≤"} ${limit} × ${against} | ${ratio.toFixed(2)} × ${met ? "met" : "**missed**"}`;
    }
    lines.push(`| ${title} | ${cells.join(" | ")} | ${verdict} |`);
  }
  return lines.join("\n");
}

const work = mkdtempSync(join(tmpdir(), "pfs-bench-"));
const targets: Target[] = [];
try {
  const book = join(work, "book");
  makeBook(book, BOOK);
  targets.push(startNative(book, work));
  for (const kind of ["overlayfs", "fuse-overlayfs", "bindfs"] as const)
    targets.push(startPeer(kind, book, work));
  targets.push(await startPfs(book, work));
  const figures: Figures = new Map();
  measureAll(targets, figures);
  for (const target of targets.splice(0)) target.stop();
  const table = tableOf(figures, ["native", "overlayfs", "fuse-overlayfs", "bindfs", "pfs"]);
  const imported = measureImport(join(work, "import"));
  const opened = await measureOpening(join(work, "opening"));
  const report = `# Benchmarks

\`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version},
pfs ${JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version} at ${execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8", cwd: new URL(".", import.meta.url).pathname }).trim()}. Client and server pinned to one core; medians; the client is Node itself, whose own cost is in every figure. ${BOOK.files} lessons of
${BOOK.meanBytes / 1000} KB; pfs hashes, journals and logs every save, the others do not.

${table}

| | measured | wanted | |
|---|--:|--:|---|
${[...imported, ...opened].map(({ title, value, unit, limit }) => `| ${title} | ${format(value)} ${unit} | < ${limit} ${unit} | ${value < limit ? "met" : "**missed**"} |`).join("\n")}
`;
  console.log(report);
  writeFileSync(REPORT, report);
} finally {
  for (const target of targets) target.stop();
  rmSync(work, { recursive: true, force: true });
}
