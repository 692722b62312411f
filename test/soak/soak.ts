/**
 * The endurance test: programs of several kinds work on mounts of several users for as long as one wishes, while the daemon is
 * killed at random, and all is synced by way of a network that fails to a second machine, whose mount has a dev server. Owns what must hold at the end; must never expect a speed.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { LITTLE_HEAP } from "../../daemon/start-in-background.ts";
import { eventually, execute, PFSD, type Place, SAMPLE, withPlace } from "../daemon/harness.ts";
import { median } from "../median.ts";
import { seededRandom } from "../remote/random.ts";
import { FaultyRemote } from "./faulty-remote.ts";
import { Follower, SITE } from "./follower.ts";

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
  /** Faults of the network while it was synced: of S3, and cuts of the connections to the database. */
  readonly faults: { readonly http: number; readonly cuts: number };
  /** Edits of the first machine that the second one's dev server has shown. */
  readonly shown: number;
  readonly writer: Growth;
  readonly follower: Growth;
}

/** In the quiet part: median of its second and of its last quarter. In the first a daemon that was just started warms up. */
interface Growth {
  /** Resident memory, MiB. */
  readonly memory: readonly [first: number, last: number];
  readonly descriptors: readonly [first: number, last: number];
}

interface Sample {
  readonly memory: number;
  readonly descriptors: number;
}

/** What a soak is done with. */
interface Parts {
  readonly place: Place;
  readonly followerPlace: Place;
  readonly follower: Follower;
  readonly remote: FaultyRemote;
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
/**
 * Measured: 180, and 220 while it compares with the remote. Some 40 are what strips types from sources, which a daemon of the package
 * does without.
 */
const MEMORY_LIMIT_MIB = 260;
const DESCRIPTOR_SLACK = 16;
const BOOKS = ["my-book", SITE];
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
  await withPlace(async (followerPlace) => {
    const follower = new Follower(followerPlace);
    try {
      const remote = await FaultyRemote.start(seed);
      try {
        Object.assign(followerPlace.env, remote.env, { PFS_LOG_LEVEL: "silent" });
        await withPlace(async (place) => {
          outcome = await soakIn({ place, followerPlace, follower, remote }, { seed, seconds, onLine });
        });
      } finally {
        await remote.stop();
      }
    } finally {
      await follower.stop();
    }
  });
  return outcome as SoakOutcome;
}

async function soakIn(
  { place, followerPlace, follower, remote }: Parts,
  { seed, seconds, onLine }: SoakOptions,
): Promise<SoakOutcome> {
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
  const siteMount = join(top, "mounts", "site");
  configured.push({ book: SITE, directory: siteMount, options: "agent=soak" });
  const remotes = BOOKS.map((book) => ({ book, ...remote.urls }));
  writeFileSync(
    config,
    JSON.stringify({ store, books: [{ book: "my-book", schema: "any" }], mounts: configured, remotes }),
  );
  await pfs("import", SITE, SAMPLE);
  // What fails on the way to the remotes is meant to.
  Object.assign(env, remote.env, { PFS_CONFIG: config, PFS_LOG_LEVEL: "silent" });
  const plainDevice = statSync(top).dev;

  let daemon = await startDaemon(place, mounts);
  await follower.clone(BOOKS, remote.urls);
  remote.begin();
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
    // Beside all that is below.
    const followed = follower.follow(siteMount, () => untilMs(1) <= 0);
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
    const followerPid = await follower.pid();
    const samples: { readonly writer: Sample; readonly follower: Sample }[] = [];
    while (untilMs(1) > 0) {
      await sleep(500);
      samples.push({ writer: sampleOf(daemon.pid as number), follower: sampleOf(followerPid) });
    }
    for (const { child } of workers) child.stdin?.end();
    const reports = await Promise.all(workers.map(reportOf));
    for (const [at, { lost }] of reports.entries())
      assert.deepEqual(lost, [], `${workers[at]?.name}: ${lost.join("; ")}`);
    await followed;
    remote.calm();
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
    await converge(place, followerPlace);
    await pfs("stop");
    const [writer, second] = [
      growthOf(
        "the writer",
        samples.map((sample) => sample.writer),
      ),
      growthOf(
        "the follower",
        samples.map((sample) => sample.follower),
      ),
    ];
    const acknowledged = reports.reduce((sum, report) => sum + report.acknowledged, 0);
    const { faults } = remote;
    return { acknowledged, kills, stuck, faults, shown: follower.shown, writer, follower: second };
  } finally {
    for (const { child } of workers) child.kill("SIGKILL");
    await Promise.all(workers.map(({ output }) => output));
    daemon.kill("SIGKILL");
    for (const directory of [...Object.values(mounts), siteMount]) await execute("umount", ["-l", directory]);
  }
}

/** The network works again: both machines come to have the same, and neither they nor the remote lack anything. */
async function converge(...places: readonly [Place, Place]): Promise<void> {
  for (const { run } of places)
    await eventually("everything is synced", async () => (await run("sync")).code === 0);
  const [writer, follower] = places;
  for (const book of BOOKS) {
    const hashes = async (): Promise<readonly string[]> =>
      Promise.all(places.map(({ pfs }) => pfs("manifest", book, "--hash")));
    await eventually(`${book} is the same on both machines`, async () => {
      const [here, there] = await hashes();
      return here === there;
    });
    assert.match(await writer.pfs("verify", "--remote", book), /./);
  }
  assert.match(await follower.pfs("verify"), /^The store is sound/);
  assert.doesNotMatch(await follower.pfs("conflicts"), /content/);
}

/** @throws AssertionError if there is any */
function growthOf(who: string, samples: readonly Sample[]): Growth {
  const quarter = Math.max(1, Math.floor(samples.length / 4));
  const ends = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)];
  const [memory, descriptors] = (["memory", "descriptors"] as const).map((what) =>
    ends.map((part) => median(part.map((sample) => sample[what]))),
  ) as [[number, number], [number, number]];
  assert.ok(memory[1] <= MEMORY_LIMIT_MIB, `${who} has ${memory[1]} MiB of memory`);
  assert.ok(
    memory[1] <= memory[0] * 1.25 + MEMORY_SLACK_MIB,
    `memory of ${who} grows: ${memory.join(" to ")} MiB`,
  );
  assert.ok(
    descriptors[1] <= descriptors[0] + DESCRIPTOR_SLACK,
    `descriptors of ${who} grow: ${descriptors.join(" to ")}`,
  );
  return { memory, descriptors };
}

/** True: it has not ended, which is the next one's to see to. @throws AssertionError if it had ended by itself */
async function killed(daemon: ChildProcess): Promise<boolean> {
  assert.deepEqual([daemon.exitCode, daemon.signalCode], [null, null], "the daemon has ended by itself");
  const exit = once(daemon, "exit").then(() => false);
  daemon.kill("SIGKILL");
  return Promise.race([exit, sleep(END_TIMEOUT_MS, true)]);
}

async function startDaemon({ env }: Place, mounts: Readonly<Record<string, string>>): Promise<ChildProcess> {
  // As a unit of systemd does.
  const daemon = spawn(process.execPath, [PFSD], {
    env: { ...LITTLE_HEAP, ...env },
    stdio: ["ignore", "ignore", "inherit"],
  });
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

function sampleOf(pid: number): Sample {
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
