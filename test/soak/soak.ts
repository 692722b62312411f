/**
 * The endurance test: programs of several kinds work on mounts of several users for as long as one wishes, while the daemon is
 * killed at random. Owns what must hold at the end; must never expect a speed.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { eventually, execute, PFSD, type Place, withPlace } from "../daemon/harness.ts";
import { seededRandom } from "../remote/random.ts";

export interface SoakOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Told of what happens, a line at a time. */
  onLine(line: string): void;
}

export interface SoakOutcome {
  readonly acknowledged: number;
  readonly kills: number;
  /** How often a killed daemon could not end by itself, as the kernel had it wait for a lock of a program that waited for it. */
  readonly stuck: number;
  /** Resident memory in the quiet part, MiB: median of its first and of its last quarter. */
  readonly memory: readonly [first: number, last: number];
  readonly descriptors: readonly [first: number, last: number];
}

interface Worker {
  readonly name: string;
  readonly mount: string;
  readonly child: ChildProcess;
  readonly output: Promise<{ readonly code: number; readonly stdout: string }>;
}

interface WorkerReport {
  readonly acknowledged: number;
  readonly lost: readonly string[];
  readonly files: Readonly<Record<string, string | null>>;
}

/** In this part of the time the daemon is killed; in the rest it must not grow. */
const KILLING_PART = 0.6;
const END_TIMEOUT_MS = 3_000;
const KILL_AFTER_MS = [3_000, 12_000] as const;
/** What may come and go: the heap before a collection, SQLite's cache, a page of refusals. */
const MEMORY_SLACK_MIB = 48;
const DESCRIPTOR_SLACK = 16;
const KINDS = [
  ["writer", "base"],
  ["writer", "alice"],
  ["writer", "bob"],
  ["editor", "base"],
  ["editor", "alice"],
  ["git", "bob"],
  ["adder", "base"],
  ["adder", "base"],
] as const;

/** Works for `seconds`. @throws AssertionError for anything that was acknowledged and is not there, for growth, for what verify finds */
export async function soak({ seed, seconds, onLine }: SoakOptions): Promise<SoakOutcome> {
  let outcome: SoakOutcome | undefined;
  await withPlace(async (place) => {
    outcome = await soakIn(place, { seed, seconds, onLine });
  });
  return outcome as SoakOutcome;
}

async function soakIn(place: Place, { seed, seconds, onLine }: SoakOptions): Promise<SoakOutcome> {
  const { pfs, top, env, store } = place;
  const random = seededRandom(seed);
  const mounts = Object.fromEntries(
    ["base", "alice", "bob"].map((name) => [name, join(top, "mounts", name)]),
  );
  for (const directory of Object.values(mounts)) mkdirSync(directory, { recursive: true });
  const optionsOf = (name: string): string =>
    name === "base" ? "agent=soak" : `user=${name},agent=${name},delete=hide`;
  const config = join(top, "config.json");
  const configured = Object.entries(mounts).map(([name, directory]) => {
    return { book: "my-book", directory, options: optionsOf(name) };
  });
  writeFileSync(
    config,
    JSON.stringify({ store, books: [{ book: "my-book", schema: "any" }], mounts: configured }),
  );
  Object.assign(env, { PFS_CONFIG: config, PFS_LOG_LEVEL: "warn" });
  const plainDevice = statSync(top).dev;

  let daemon = await startDaemon(place, mounts);
  const workers = KINDS.map(([kind, mount], at): Worker => {
    const name = `${kind}${at}`;
    const directory = mounts[mount] as string;
    const script = join(import.meta.dirname, "worker.py");
    const words = [script, kind, directory, name, String(seed + at), String(plainDevice)];
    const child = spawn("/usr/bin/python3", words, { stdio: ["pipe", "pipe", "inherit"] });
    return { name, mount: directory, child, output: outputOf(child) };
  });
  try {
    const startedMs = performance.now();
    const untilMs = (part: number): number => startedMs + seconds * 1000 * part - performance.now();
    let [kills, stuck] = [0, 0];
    while (untilMs(KILLING_PART) > 0) {
      const [least, most] = KILL_AFTER_MS;
      await sleep(Math.min(least + random() * (most - least), Math.max(untilMs(KILLING_PART), 0)));
      const left = daemon;
      if (await killed(left)) stuck++;
      kills++;
      daemon = await startDaemon(place, mounts);
      await eventually("the killed one has ended", () => left.exitCode !== null || left.signalCode !== null);
      onLine(
        `killed ${kills} times, of which ${stuck} could not end by itself; ${Math.max(0, Math.round(untilMs(1) / 1000))} s to go`,
      );
    }
    const samples: { readonly memory: number; readonly descriptors: number }[] = [];
    while (untilMs(1) > 0) {
      await sleep(500);
      samples.push(sampleOf(daemon.pid as number));
    }
    for (const { child } of workers) child.stdin?.end();
    const reports = await Promise.all(workers.map(reportOf));
    for (const [at, { lost }] of reports.entries())
      assert.deepEqual(lost, [], `${workers[at]?.name}: ${lost.join("; ")}`);
    const told = await pfs("conflicts");
    assert.doesNotMatch(told, /content/, "nobody else has written these files");

    // The same once more after a restart, and what the store says of itself.
    await pfs("stop");
    assert.match(await pfs("verify"), /^The store is sound/);
    daemon = await startDaemon(place, mounts);
    for (const [at, { files }] of reports.entries()) {
      const { mount, name } = workers[at] as Worker;
      for (const [path, text] of Object.entries(files))
        assert.equal(firstLine(join(mount, path)), text, `${name}: ${path}`);
    }
    await pfs("stop");
    const quarter = Math.max(1, Math.floor(samples.length / 4));
    const ends = [samples.slice(0, quarter), samples.slice(-quarter)];
    const [memory, descriptors] = (["memory", "descriptors"] as const).map((what) =>
      ends.map((part) => median(part.map((sample) => sample[what]))),
    ) as [[number, number], [number, number]];
    assert.ok(memory[1] <= memory[0] * 1.25 + MEMORY_SLACK_MIB, `memory grows: ${memory.join(" to ")} MiB`);
    assert.ok(
      descriptors[1] <= descriptors[0] + DESCRIPTOR_SLACK,
      `descriptors grow: ${descriptors.join(" to ")}`,
    );
    const acknowledged = reports.reduce((sum, report) => sum + report.acknowledged, 0);
    return { acknowledged, kills, stuck, memory, descriptors };
  } finally {
    for (const { child } of workers) child.kill("SIGKILL");
    await Promise.all(workers.map(({ output }) => output));
    daemon.kill("SIGKILL");
    for (const directory of Object.values(mounts)) await execute("umount", ["-l", directory]);
  }
}

/** True: it has not ended, which is the next one's to see to. @throws AssertionError if it had ended by itself */
async function killed(daemon: ChildProcess): Promise<boolean> {
  assert.deepEqual([daemon.exitCode, daemon.signalCode], [null, null], "the daemon has ended by itself");
  const exit = once(daemon, "exit").then(() => false);
  daemon.kill("SIGKILL");
  return Promise.race([exit, sleep(END_TIMEOUT_MS, true)]);
}

async function startDaemon({ env }: Place, mounts: Readonly<Record<string, string>>): Promise<ChildProcess> {
  const daemon = spawn(process.execPath, [PFSD], { env, stdio: ["ignore", "ignore", "inherit"] });
  await eventually("every mount is there", () => {
    const table = readFileSync("/proc/self/mountinfo", "utf8");
    return Object.values(mounts).every(
      (directory) => table.includes(` ${directory} `) && isAnswering(directory),
    );
  });
  return daemon;
}

/** False for a mount of the daemon before. */
function isAnswering(directory: string): boolean {
  try {
    return readdirSync(directory).includes(".pfs");
  } catch {
    return false;
  }
}

async function outputOf(child: ChildProcess): Promise<{ readonly code: number; readonly stdout: string }> {
  let stdout = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  const [code] = await once(child, "close");
  return { code: code ?? -1, stdout };
}

async function reportOf({ name, output }: Worker): Promise<WorkerReport> {
  const { code, stdout } = await output;
  assert.equal(code, 0, `${name} has failed`);
  return JSON.parse(stdout);
}

function sampleOf(pid: number): { readonly memory: number; readonly descriptors: number } {
  const kib = Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  return { memory: Math.round(kib / 1024), descriptors: readdirSync(`/proc/${pid}/fd`).length };
}

function firstLine(path: string): string | null {
  try {
    return readFileSync(path, "utf8").split("\n", 1)[0] ?? "";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
