/**
 * `npm run bench`: measures pfs beside its peers, prints the table, and writes BENCHMARKS.md. Medians of medians over several
 * interleaved rounds; client and servers are pinned to one core, so that the ratios within a run can be trusted.
 *
 * `npm run bench -- PART…` measures some parts only, prints them, and writes nothing: peers, opening, views, plans, archives, sync.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { cpus, release, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { median } from "../median.ts";
import { measureArchives } from "./archives.ts";
import { measureAudit } from "./audit.ts";
import { makeBook } from "./book.ts";
import { measureImport, measureOpening } from "./opening.ts";
import { measurePlans, type PlanFigures } from "./plans.ts";
import { measureSync } from "./sync.ts";
import { isPresent, rotated, runPinned, startNative, startPeer, startPfs, type Target } from "./targets.ts";
import { measureViews, type ViewFigure } from "./views.ts";

/** They are short, and differ most from each other: 0.8 to 1.8 × where the median is 1.15. */
const SMALL_ROUNDS = 9;
const ROUNDS = 5;
const LARGE_ROUNDS = 5;
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
  {
    key: "readMiBs",
    title: "read 1 GiB (native and overlayfs: from the disk), MiB/s",
    against: "fuse-overlayfs",
    limit: 0.8,
    isThroughput: true,
  },
  // No file system is asked for these: where the pages happen to lie in memory makes the difference.
  { key: "readCachedMiBs", title: "read 1 GiB from the kernel's pages, MiB/s" },
];

function record(figures: Figures, target: string, measured: Record<string, number>): void {
  for (const [key, value] of Object.entries(measured)) {
    const byTarget = figures.get(key) ?? new Map<string, number[]>();
    figures.set(key, byTarget);
    byTarget.set(target, [...(byTarget.get(target) ?? []), value]);
  }
}

function measureAll(targets: readonly Target[], figures: Figures): void {
  for (const [measurement, rounds] of [
    ["small", SMALL_ROUNDS],
    ["write", ROUNDS],
    ["large", LARGE_ROUNDS],
  ] as const) {
    for (let round = 0; round < rounds; round++) {
      for (const target of rotated(targets, round)) {
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

/** pfs against a peer in each round: what disturbs the machine for long disturbs both. */
function ratiosOf(byTarget: Map<string, number[]> | undefined, against: string): number[] {
  const [own, peer] = [byTarget?.get("pfs"), byTarget?.get(against)];
  if (own === undefined || peer === undefined)
    throw new Error(`nothing was measured of pfs or of ${against}`);
  return own.map((value, round) => value / (peer[round] as number));
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
    if (against !== undefined && limit !== undefined && !names.includes(against)) {
      verdict = `${isThroughput === true ? "≥" : "≤"} ${limit} × ${against} | no ${against}`;
    } else if (against !== undefined && limit !== undefined) {
      const ratios = ratiosOf(figures.get(key), against);
      const ratio = median(ratios);
      const met = isThroughput === true ? ratio >= limit : ratio <= limit;
      const spread = spreadOf(ratios);
      verdict = `${isThroughput === true ? "≥" : "≤"} ${limit} × ${against} | ${ratio.toFixed(2)} × (${spread}) ${met ? "met" : "**missed**"}`;
    }
    lines.push(`| ${title} | ${cells.join(" | ")} | ${verdict} |`);
  }
  return lines.join("\n");
}

function spreadOf(ratios: readonly number[]): string {
  return `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`;
}

function lineOf({ title, ratios, limit }: ViewFigure): string {
  const ratio = median(ratios);
  return `| ${title} | ${ratio.toFixed(2)} × (${spreadOf(ratios)}) | ≤ ${limit} × | ${ratio <= limit ? "met" : "**missed**"} |`;
}

/** What must not grow with the book, as a ratio of the largest against the smallest; what may, in milliseconds. */
function planTable(plans: readonly PlanFigures[]): string {
  const [smallest, largest] = [plans[0] as PlanFigures, plans.at(-1) as PlanFigures];
  const ratio = largest.planMs / smallest.planMs;
  const rows: [title: string, values: readonly number[], wanted: string, isMet: boolean][] = [
    [
      "`plan/<hash>` of ten changes",
      plans.map(({ planMs }) => planMs),
      `≤ 2 × from first to last: ${ratio.toFixed(2)} ×`,
      ratio <= 2,
    ],
    [
      "the same, where the manifest must be hashed first",
      plans.map(({ planFirstMs }) => planFirstMs),
      "< 100 ms",
      largest.planFirstMs < 100,
    ],
    [
      "`manifest.hash` after one change",
      plans.map(({ afterOneMs }) => afterOneMs),
      "< 100 ms",
      largest.afterOneMs < 100,
    ],
    [
      "`manifest.hash`, unchanged",
      plans.map(({ unchangedMs }) => unchangedMs),
      "< 1 ms",
      largest.unchangedMs < 1,
    ],
  ];
  const lines = rows.map(
    ([title, values, wanted, isMet]) =>
      `| ${title} | ${values.map((value) => value.toFixed(2)).join(" | ")} | ${wanted} | ${isMet ? "met" : "**missed**"} |`,
  );
  return `| ms | ${plans.map(({ files }) => `${files.toLocaleString("en")} files`).join(" | ")} | wanted | |
|---|${plans.map(() => "--:|").join("")}---|---|
${lines.join("\n")}`;
}

async function measurePeers(work: string): Promise<string> {
  const targets: Target[] = [];
  try {
    const book = join(work, "book");
    makeBook(book, BOOK);
    targets.push(startNative(book, work));
    const peers = ["overlayfs", "fuse-overlayfs", "bindfs"] as const;
    const present = peers.filter(isPresent);
    for (const kind of present) targets.push(startPeer(kind, book, work));
    targets.push(startPfs(book, work), startPfs(book, work, "fuse-native"));
    const figures: Figures = new Map();
    measureAll(targets, figures);
    const table = tableOf(
      figures,
      targets.map(({ name }) => name),
    );
    const absent = peers.filter((kind) => !present.includes(kind));
    return absent.length === 0 ? table : `${table}\n\nNot on this machine: ${absent.join(", ")}.`;
  } finally {
    for (const target of targets) target.stop();
  }
}

const parts: Readonly<Record<string, (work: string) => Promise<string>>> = {
  peers: measurePeers,
  opening: async (work) => {
    const imported = measureImport(join(work, "import"));
    const opened = await measureOpening(join(work, "opening"));
    const audited = measureAudit(join(work, "audit"));
    return `| | measured | wanted | |
|---|--:|--:|---|
${[...imported, ...opened, ...audited].map(({ title, value, unit, limit }) => `| ${title} | ${format(value)} ${unit} | < ${limit} ${unit} | ${value < limit ? "met" : "**missed**"} |`).join("\n")}`;
  },
  views: async (work) => {
    const { figures, copyUpUs } = await measureViews(work);
    return `Other views against a mount of the base, by one daemon:

| | is | wanted | |
|---|--:|--:|---|
${figures.map(lineOf).join("\n")}
| copy-up of a lesson of 20 KB by its first save in a user's mount | ${format(copyUpUs)} µs | < 1000 µs | ${copyUpUs < 1000 ? "met" : "**missed**"} |`;
  },
  plans: async (work) => `What a build asks first, read in a mount:

${planTable(await measurePlans(work))}`,
  archives: async (
    work,
  ) => `A book of 500 files, 200 MB, as a ZIP archive, beside Info-ZIP's \`zip\` on the same tree, the commands' start included:

| | is | wanted | |
|---|--:|--:|---|
${measureArchives(work).map(lineOf).join("\n")}`,
  sync: async (
    work,
  ) => `Sync by way of PostgreSQL, with its own settings, and an S3 server of the same machine, which all share its cores; round trips and requests are counted on the wire:

| | is | wanted | |
|---|--:|--:|---|
${(await measureSync(work)).map(({ title, measured, wanted, isMet }) => `| ${title} | ${measured} | ${wanted} | ${isMet ? "met" : "**missed**"} |`).join("\n")}`,
};

const asked = process.argv.slice(2);
for (const name of asked)
  if (parts[name] === undefined)
    throw new Error(`no part ${name}: there are ${Object.keys(parts).join(", ")}`);
const work = mkdtempSync(join(tmpdir(), "pfs-bench-"));
try {
  const measured: string[] = [];
  for (const [name, measure] of Object.entries(parts)) {
    if (asked.length > 0 && !asked.includes(name)) continue;
    measured.push(await measure(join(work, name)));
  }
  const report = `# Benchmarks

\`npm run bench\` on ${new Date().toISOString().slice(0, 10)}: ${cpus().length} × ${cpus()[0]?.model ?? "?"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version},
pfs ${JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")).version} at ${execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8", cwd: new URL(".", import.meta.url).pathname }).trim()}. Client and server pinned to one core; medians; ratios are of one round each: their median, and from lowest to highest; the client is Node itself, whose own cost is in every figure. ${BOOK.files} lessons of
${BOOK.meanBytes / 1000} KB; pfs hashes, journals and logs every save, the others do not.

${measured.join("\n\n")}
`;
  console.log(report);
  if (asked.length === 0) writeFileSync(REPORT, report);
} finally {
  rmSync(work, { recursive: true, force: true });
}
