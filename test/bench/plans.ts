/**
 * Measures what a build asks before it begins: the plan of ten changes, in books of a thousand to a hundred thousand files,
 * and the manifest's hash, read from a mount.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { makeBook } from "./book.ts";
import { runPinned, startPfs } from "./targets.ts";

const CLIENT = new URL("client.ts", import.meta.url).pathname;
const SIZES = [1000, 10_000, 100_000];
const US_PER_MS = 1000;

/** Medians of several rounds, in milliseconds. */
export interface PlanFigures {
  readonly files: number;
  /** A plan of ten changes, the manifest's hash being known. */
  readonly planMs: number;
  /** The same, read first after the changes: the manifest is hashed anew for it. */
  readonly planFirstMs: number;
  /** `manifest.hash`, when nothing has changed since it was read. */
  readonly unchangedMs: number;
  /** `manifest.hash` after one change. */
  readonly afterOneMs: number;
}

export async function measurePlans(work: string): Promise<PlanFigures[]> {
  const figures: PlanFigures[] = [];
  for (const files of SIZES) {
    const at = join(work, `${files}`);
    mkdirSync(at, { recursive: true });
    const book = join(at, "book");
    makeBook(book, { files, meanBytes: 600 });
    const pfs = startPfs(book, at);
    try {
      const us = JSON.parse(runPinned(process.execPath, CLIENT, "plans", pfs.directory));
      figures.push({
        files,
        planMs: us.plan / US_PER_MS,
        planFirstMs: us.planFirst / US_PER_MS,
        unchangedMs: us.unchanged / US_PER_MS,
        afterOneMs: us.afterOne / US_PER_MS,
      });
    } finally {
      pfs.stop();
    }
    rmSync(at, { recursive: true, force: true });
    process.stderr.write(`plans ${files}\n`);
  }
  return figures;
}
