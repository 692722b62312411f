/**
 * Measures the other views of a book against a mount of its base, all of one daemon: a user's mount with nothing of the
 * user's own, one in which every lesson is overlaid, and the past.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { makeBook } from "./book.ts";
import { makeOverlays } from "./many-overlays.ts";
import { mountPfs, rotated, runPinned, startPfs, stopPfs } from "./targets.ts";

const PFS = new URL("../../bin/pfs.js", import.meta.url).pathname;
const CLIENT = new URL("client.ts", import.meta.url).pathname;
const ROUNDS = 5;
const BOOK = { files: 960, meanBytes: 20_000 };
/** The same book once more, with many readers. */
const CROWDED = "crowded";
const OVERLAYS = 10_000;

/** One view against the base, in each round. */
export interface ViewFigure {
  readonly title: string;
  readonly ratios: readonly number[];
  readonly limit: number;
}

export interface Views {
  readonly figures: readonly ViewFigure[];
  /** Median of a copy-up with its save, in microseconds. */
  readonly copyUpUs: number;
}

type Measured = Record<string, number>;

export async function measureViews(work: string): Promise<Views> {
  const book = join(work, "book");
  makeBook(book, BOOK);
  const base = startPfs(book, work);
  base.stop();
  const store = join(work, "pfs", "store");
  const pfs = (...args: string[]): string =>
    execFileSync(process.execPath, [PFS, "--store", store, ...args], { encoding: "utf8" });
  pfs("init", CROWDED, "--schema", "any");
  pfs("import", CROWDED, book);
  makeOverlays(store, CROWDED, OVERLAYS);
  mountPfs(store, base.directory);
  const directories = new Map([["base", base.directory]]);
  try {
    const { seq } = JSON.parse(pfs("status", "--json")) as { seq: number };
    for (const [name, mounted, options] of [
      ["user", "bench", "user=plain"],
      ["warming", "bench", "user=another"],
      ["overlaid", "bench", "user=writer"],
      ["past", "bench", `at=${seq}`],
      ["crowded", CROWDED, "rw"],
      ["crowdedUser", CROWDED, "user=reader-7"],
    ] as const) {
      const directory = join(work, name);
      mkdirSync(directory);
      pfs("mount", mounted, directory, "-o", `agent=bench,${options}`);
      directories.set(name, directory);
    }
    const client = (measurement: string, name: string): Measured =>
      JSON.parse(runPinned(process.execPath, CLIENT, measurement, directories.get(name) as string));
    // As everything else here: once to warm up.
    client("copyUp", "warming");
    const { copyUp } = client("copyUp", "overlaid");
    const rounds: Map<string, Measured>[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      rounds.push(
        new Map(rotated([...directories.keys()], round).map((name) => [name, client("small", name)])),
      );
      process.stderr.write(`views ${round + 1}/${ROUNDS}\n`);
    }
    const against = (name: string, key: string): number[] =>
      rounds.map((round) => measuredOf(round, name, key) / measuredOf(round, "base", key));
    const what = "open + read + close of a lesson";
    return {
      copyUpUs: copyUp as number,
      figures: [
        {
          title: `a user's mount, nothing overlaid: ${what}`,
          ratios: against("user", "openReadClose"),
          limit: 1.1,
        },
        {
          title: `a user's mount, all overlaid: ${what}`,
          ratios: against("overlaid", "openReadClose"),
          limit: 1.1,
        },
        { title: `the past (\`at=\`): ${what}`, ratios: against("past", "openReadClose"), limit: 1.2 },
        { title: "the past (`at=`): readdir", ratios: against("past", "readdir"), limit: 1.2 },
        {
          title: `the base, beside 10,000 overlays: ${what}`,
          ratios: against("crowded", "openReadClose"),
          limit: 1.1,
        },
        {
          title: `a user's mount, beside 10,000 others: ${what}`,
          ratios: against("crowdedUser", "openReadClose"),
          limit: 1.1,
        },
      ],
    };
  } finally {
    stopPfs(store);
  }
}

function measuredOf(round: ReadonlyMap<string, Measured>, name: string, key: string): number {
  const value = round.get(name)?.[key];
  if (value === undefined) throw new Error(`nothing was measured of ${key} in ${name}`);
  return value;
}
