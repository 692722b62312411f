/**
 * Owns the check of a history: what many processes say they read, saved and were refused, against what the log says
 * happened. Every accepted save must stand directly after the version that it was made from (bytes of a draft are none), and
 * every version of the log must be one that somebody was told is accepted.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import Database from "better-sqlite3";
import { withBook } from "../kernel/harness.ts";

const WORKER = new URL("./history-worker.py", import.meta.url).pathname;

export interface HistoryOptions {
  readonly seed: string;
  readonly processes: number;
  readonly mounts: number;
  readonly files: number;
  /** Of all processes together. */
  readonly operations: number;
}

interface Attempt {
  readonly worker: string;
  readonly at: number;
  readonly file: string;
  readonly way: string;
  readonly read: string;
  readonly wrote: string;
  readonly outcome: string;
}

interface Version {
  readonly path: string;
  readonly prev: string | null;
  readonly next: string;
}

/** What came of it, for who wants to know that something did. */
export interface HistoryOutcome {
  readonly accepted: number;
  readonly refused: number;
}

/** Runs the processes on mounts with check=require and checks their history. The seed says what each of them does. */
export async function checkHistory(options: HistoryOptions): Promise<HistoryOutcome> {
  const { seed, processes, mounts, files, operations } = options;
  let outcome: HistoryOutcome = { accepted: 0, refused: 0 };
  await withBook({ mounts, check: "require" }, async ({ dir, dirs, plain }) => {
    const names = Array.from({ length: files }, (_, at) => `content/lesson-${at}.md`);
    await mkdir(join(dir, "content"));
    for (const name of names) await writeFile(join(dir, name), `start of ${name}\n`);
    const share = Math.ceil(operations / processes);
    const runs = Array.from({ length: processes }, (_, at) =>
      promisify(execFile)("python3", [WORKER, `w${at}`, seed, `${share}`, dirs.join(":"), names.join(":")], {
        maxBuffer: 1 << 28,
      }),
    );
    const told = (await Promise.all(runs)).flatMap(({ stdout }) => stdout.trimEnd().split("\n"));
    const attempts = told.map((line): Attempt => JSON.parse(line));
    assert.equal(attempts.length, share * processes);
    outcome = compare(attempts, versionsOf(join(dirname(plain), "store", "pfs.db"), files), seed);
  });
  return outcome;
}

/** The versions in the order of the log, without the first of each file. */
function versionsOf(databasePath: string, files: number): Version[] {
  const database = new Database(databasePath, { readonly: true });
  try {
    const rows = database
      .prepare(
        `SELECT path, prev_hash AS prev, new_hash AS next FROM audit_log
         WHERE status = 'ok' AND operation IN ('create', 'update') ORDER BY seq`,
      )
      .all() as Version[];
    assert.deepEqual(
      rows.slice(0, files).map(({ prev }) => prev),
      Array(files).fill(null),
    );
    return rows.slice(files);
  } finally {
    database.close();
  }
}

function compare(attempts: readonly Attempt[], versions: readonly Version[], seed: string): HistoryOutcome {
  const byHash = new Map(versions.map((version) => [version.next, version]));
  assert.equal(byHash.size, versions.length, `seed ${seed}: two versions have the same bytes`);
  let [accepted, refused] = [0, 0];
  for (const attempt of attempts) {
    const { outcome, file, read, wrote } = attempt;
    const version = byHash.get(wrote);
    const said = `seed ${seed}: ${JSON.stringify(attempt)}`;
    if (outcome === "accepted") {
      accepted++;
      assert.ok(version, `accepted, and not in the log: ${said}`);
      assert.equal(version.path, file, said);
      assert.equal(version.prev, read, `made from another version, or none: ${said}`);
      byHash.delete(wrote);
    } else {
      refused++;
      assert.ok(outcome === "ESTALE" || outcome === "EPERM", `refused in another way: ${said}`);
      assert.equal(version, undefined, `refused, and in the log: ${said}`);
    }
  }
  assert.deepEqual([...byHash.values()], [], `seed ${seed}: versions that nobody saved`);
  return { accepted, refused };
}
