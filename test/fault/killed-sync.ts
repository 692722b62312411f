/**
 * Two real daemons that share a book, programs that save on their mounts, and SIGKILL for one of the daemons at a named step:
 * whatever it was, all must be as if nothing had been once it is started again (O1, R2, R6, B1, SC-002). Leaves nothing behind.
 */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DaemonClient } from "../../daemon/daemon-client.ts";
import type { SyncStatus } from "../../daemon/sync-status.ts";
import { HeadSigner } from "../../lib/head-signer.ts";
import { StoreReader } from "../../lib/reader.ts";
import { openRemoteBlobs } from "../../lib/remote/open-remote-blobs.ts";
import { openRemoteLog } from "../../lib/remote/open-remote-log.ts";
import type { RemoteBlobs } from "../../lib/remote/remote-blobs.ts";
import type { RemoteLog } from "../../lib/remote/remote-log.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { type Step, syncSteps } from "../../lib/step.ts";
import { collectRemote } from "../../lib/sync/collect-remote.ts";
import { verifyRemote } from "../../lib/sync/verify-remote.ts";
import { verifyStore } from "../../lib/verify.ts";
import { parseBookId } from "../../schema/ids.ts";
import { eventually, execute, isAlive, type Place, withPlace } from "../daemon/harness.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { setS3Credentials, startS3Server } from "../remote/s3-server.ts";

const BOOK = parseBookId("my-book");
/** Every step is passed within a few seconds on a machine that does nothing else. */
const TIRED_MS = 120_000;

/**
 * Saves in many ways until the mount or the file `go` is gone. Tells a line before each save and one after it was acknowledged:
 * `begin PATH TEXT`, `done PATH TEXT`; TEXT is what the file begins with, `-` is no file. `refused PATH TEXT`: it was not saved.
 * `lesson` has a line for each of the machines, which is told of as a file of its own; both sync and are merged.
 */
const CLIENT = `
import errno, os, random, sys, time
directory, strict, agent, other, go, ways, seed, number = *sys.argv[1:7], int(sys.argv[7]), int(sys.argv[8])
chance = random.Random(seed)
def text_of(path):
    with open(path, "rb") as file: return file.read()
def write(path, data, how):
    target = path + ".tmp.1" if how == "rename" else path
    with open(target, "wb", buffering=0) as file:
        file.write(data)
        if how == "sync": os.fsync(file.fileno())
    if how == "rename": os.rename(target, path)
def tell(*words): print(*words, flush=True)
def attempt(path, text, act):
    tell("begin", path, text)
    try: act()
    except OSError as error:
        if error.errno != errno.ESTALE: raise
        return tell("refused", path, text)
    tell("done", path, text)
try:
    while os.path.exists(go):
        number += 1
        text, way = f"v{number}", chance.choice(ways.split(","))
        data = f"{text} {agent} ".encode() * (chance.choice([10, 10, 20000]))
        if way == "save":
            name = f"{agent}-{chance.randrange(4)}"
            attempt(name, text, lambda: write(f"{directory}/{name}", data, chance.choice(["write", "sync", "rename"])))
        if way == "remove":
            name = f"{agent}-{chance.randrange(4)}"
            if os.path.exists(f"{directory}/{name}"): attempt(name, "-", lambda: os.unlink(f"{directory}/{name}"))
        if way == "strict":
            name = f"{agent}-strict"
            attempt(name, text, lambda: write(f"{strict}/{name}", data, "write"))
        if way == "large":
            name = f"{agent}-large"
            attempt(name, text, lambda: write(f"{directory}/{name}", f"{text} ".encode() + bytes(17_000_000), "write"))
        if way == "merge":
            lines = text_of(f"{directory}/lesson").decode().split("\\n")
            at = next(at for at, line in enumerate(lines) if line.endswith(f" {agent}"))
            lines[at] = f"{text} {agent}"
            attempt(f"lesson:{agent}", text, lambda: write(f"{directory}/lesson", "\\n".join(lines).encode(), "write"))
        if way == "read":
            for name in os.listdir(directory):
                if not name.startswith(other): continue
                try: text_of(f"{directory}/{name}")
                except FileNotFoundError: pass
        time.sleep(0.01)
    tell("end", "stopped")
except OSError as error:
    tell("end", "gone" if error.errno in (errno.ENOTCONN, errno.ECONNABORTED) else error)
`;

/** What of the own is there, after making sure that each file is wholly of one save. */
const READ = `
import os, sys
os.chdir(sys.argv[1])
agent = sys.argv[2]
for path in sys.argv[3:]:
    if path.startswith("lesson:"):
        print(path, next(line for line in open("lesson").read().split("\\n") if line.endswith(f" {agent}")).split(" ")[0])
        continue
    try: data = open(path, "rb").read()
    except FileNotFoundError: print(path, "-"); continue
    text = data.split(b" ")[0]
    if path.endswith("-large"): assert data == text + b" " + bytes(17_000_000), (path, len(data))
    else:
        one = text + b" " + agent.encode() + b" "
        assert data in (one * 10, one * 20000), (path, data[:60], len(data))
    print(path, text.decode())
`;

/** A step at which the daemon of one machine is killed, while programs save in these ways on both mounts. */
export interface Killing {
  readonly step: Step;
  /** When it is passed for so many times. */
  readonly count: number;
  readonly victim: "alice" | "bob";
  readonly seed: number;
  /** What programs do on the mount of whoever is killed. */
  readonly ways: string;
}

const EVERYTHING = "save,save,remove,strict,merge,read";
/** Of whoever only follows the other one: all that its store writes is of pulls, and of bytes that are fetched. */
const NOTHING_OF_ITS_OWN = "read";
/** Steps of a write that such a one passes. */
const FOLLOWING: readonly Step[] = [
  "transaction.begun",
  "object.synced",
  "object.noted",
  "object.linked",
  "blob.stored",
  "log.written",
  "transaction.committed",
  "object.settled",
];

/** Every named step of push, pull and publishing; and those of a write that a pull passes. One machine after the other is hit. */
export function everyKilling(seed: number): Killing[] {
  const waysAt = (step: Step): string => (step.startsWith("upload.") ? "save,large,read" : EVERYTHING);
  const all = [
    ...syncSteps.map((step) => ({ step, ways: waysAt(step) })),
    ...FOLLOWING.map((step) => ({ step, ways: NOTHING_OF_ITS_OWN })),
  ];
  return all.map(({ step, ways }, index) => ({
    ...{ step, ways, seed: seed + index },
    // Of long uploads there are few.
    count: step.startsWith("upload.") ? 1 : 1 + ((seed + index) % 3),
    victim: (seed + index) % 2 === 0 ? "alice" : "bob",
  }));
}

/** A machine: its place, and by path what may be there of its own, the last acknowledged first. */
class Machine {
  readonly name: string;
  readonly place: Place;
  readonly order: string;
  readonly present = new Map<string, readonly string[]>();
  saves = 0;
  #client: { readonly process: ChildProcess; readonly closed: Promise<unknown>; said: string } | undefined;

  constructor(name: string, place: Place, order: string) {
    this.name = name;
    this.place = place;
    this.order = order;
  }

  get daemon(): DaemonClient {
    return new DaemonClient(this.place.store);
  }

  async mount(): Promise<void> {
    const { pfs, dir, otherDir } = this.place;
    await pfs("mount", BOOK, dir);
    const strict = { book: BOOK, directory: otherDir, options: "sync=strict", agent: this.name };
    await this.daemon.call("POST", "/mounts", strict);
  }

  begin(other: string, go: string, ways: string, seed: number, number: number): void {
    const { dir, otherDir } = this.place;
    const words = ["-c", CLIENT, dir, otherDir, this.name, other, go, ways, `${seed}`, `${number}`];
    const python = spawn("python3", words, { stdio: ["ignore", "pipe", "inherit"] });
    const client = { process: python, closed: once(python, "close"), said: "" };
    python.stdout.setEncoding("utf8").on("data", (text: string) => {
      client.said += text;
    });
    this.#client = client;
  }

  /** Waits for its end, and learns what may be there now. Answers why it has ended. */
  async end(): Promise<string> {
    const client = this.#client;
    assert.ok(client !== undefined);
    const tired = setTimeout(() => client.process.kill(), TIRED_MS);
    await client.closed;
    clearTimeout(tired);
    const lines = client.said.trimEnd().split("\n");
    for (const line of lines) {
      const [word, path = "", text = ""] = line.split(" ");
      const known = this.present.get(path) ?? ["-"];
      if (word === "begin") this.present.set(path, [...known, text]);
      if (word === "refused") this.present.set(path, known.slice(0, -1));
      if (word === "done") this.present.set(path, [text]);
      if (word === "done") this.saves++;
    }
    return lines.at(-1) ?? "";
  }

  /** What this machine has acknowledged is there, on the mount of any. */
  async assertKept(at: Machine, what: string): Promise<void> {
    const { dir, env } = at.place;
    const read = await execute("python3", ["-c", READ, dir, this.name, ...this.present.keys()], env);
    const refusals = read.code === 0 ? "" : readFileSync(join(dir, ".pfs/errors.jsonl"), "utf8");
    assert.equal(read.code, 0, `${what}: at ${at.name} ${read.stderr}${refusals}`);
    // One that was killed early has acknowledged nothing.
    for (const line of read.stdout.split("\n").filter((each) => each !== "")) {
      const [path = "", text = ""] = line.split(" ");
      const may = this.present.get(path) ?? [];
      assert.ok(may.includes(text), `${what}: ${path} is ${text} at ${at.name}, not ${may.join(" or ")}`);
      if (at === this) this.present.set(path, [text]);
    }
  }

  async syncStatus(): Promise<SyncStatus> {
    for await (const each of this.daemon.stream("GET", "/sync")) return each as SyncStatus;
    throw new Error("nothing is shared");
  }

  /** Pushes, and publishes all that there is to publish. */
  async sync(): Promise<void> {
    for await (const event of this.daemon.stream("POST", `/books/${BOOK}/sync`, { kind: "push" }))
      assert.notEqual((event as { type?: string }).type, "error", JSON.stringify(event));
  }

  manifestHash(): string {
    return readFileSync(join(this.place.dir, ".pfs/manifest.hash"), "utf8");
  }
}

export class KilledSync {
  readonly #machines: readonly [Machine, Machine];
  readonly #log: RemoteLog;
  readonly #blobs: RemoteBlobs;
  readonly #go: string;
  #rounds = 0;

  private constructor(machines: readonly [Machine, Machine], log: RemoteLog, blobs: RemoteBlobs) {
    this.#machines = machines;
    this.#log = log;
    this.#blobs = blobs;
    this.#go = join(machines[0].place.top, "go");
  }

  /** Two machines, `alice` and `bob`, on PostgreSQL and S3. */
  static async with(use: (pair: KilledSync) => Promise<void>): Promise<void> {
    const postgres = await PostgresServer.make("embedded");
    const s3 = await startS3Server();
    const killer = new URL("./step-killer.ts", import.meta.url).href;
    const env: NodeJS.ProcessEnv = {};
    setS3Credentials(env);
    const orders = ["alice", "bob"].map((name) =>
      join(process.env.TMPDIR ?? "/tmp", `pfs-test-order-${name}-${process.pid}`),
    );
    const options = (index: number) => ({
      env: {
        ...env,
        PFS_AGENT_ID: ["alice", "bob"][index],
        NODE_OPTIONS: `--import ${killer}`,
        PFS_TEST_KILL_AT: orders[index],
      },
    });
    try {
      const database = await postgres.makeDatabase();
      const urls = [`postgres://pfs@127.0.0.1:${postgres.port}/${database}`, s3.urlOf("killed")] as const;
      await withPlace(async (a) => {
        await withPlace(async (b) => {
          const machines = [
            new Machine("alice", a, orders[0] ?? ""),
            new Machine("bob", b, orders[1] ?? ""),
          ] as const;
          const counters = new RemoteCounters();
          const log = await openRemoteLog(urls[0], { counters });
          const uploadsDirectory = join(a.top, "uploads");
          const blobs = await openRemoteBlobs(urls[1], { counters, uploadsDirectory });
          try {
            await share(machines, urls);
            await use(new KilledSync(machines, log, blobs));
          } finally {
            await log.close();
            await blobs.close();
          }
        }, options(1));
      }, options(0));
    } finally {
      for (const order of orders) rmSync(order, { force: true });
      await s3.stop();
      await postgres.remove();
    }
  }

  /** Kills, starts again, and looks at everything. Answers how many saves were acknowledged. */
  async kill({ step, count, victim, seed, ways }: Killing): Promise<number> {
    const what = `${victim} killed at ${step} ${count}`;
    const [a, b] = this.#machines;
    const [killed, other] = victim === "alice" ? [a, b] : [b, a];
    const before = a.saves + b.saves;
    const number = ++this.#rounds * 1_000_000;
    const pid = Number(readFileSync(join(killed.place.store, "lock"), "utf8"));
    writeFileSync(this.#go, "");
    writeFileSync(killed.order, `${step} ${count}`);
    killed.begin(other.name, this.#go, ways, seed, number);
    other.begin(killed.name, this.#go, EVERYTHING, seed + 1, number);
    const deadline = performance.now() + TIRED_MS;
    while (isAlive(pid) && performance.now() < deadline)
      await new Promise((resolve) => setTimeout(resolve, 20));
    rmSync(this.#go);
    assert.equal(existsSync(killed.order), false, `${what}: it has passed there`);
    await eventually("the daemon is dead", () => !isAlive(pid));
    // A daemon that waits for its own mount cannot end before its connection is aborted, nor can who waits for it.
    await killed.mount();
    assert.match(await killed.end(), /^end (gone|stopped)$/, what);
    assert.equal(await other.end(), "end stopped", what);
    await this.#settle(what);
    return a.saves + b.saves - before;
  }

  /** By themselves they come to the same; then everything is as it must be. */
  async #settle(what: string): Promise<void> {
    const machines = this.#machines;
    await eventually(`${what}: both have the same`, async () => {
      for (const machine of machines) {
        const { pending, error } = await machine.syncStatus();
        if (pending > 0 || error !== null) return false;
      }
      return machines[0].manifestHash() === machines[1].manifestHash();
    });
    for (const machine of machines) {
      await machine.sync();
      for (const each of machines) await machine.assertKept(each, what);
    }
    await this.assertSound(what, false);
  }

  /** O1, R2, R6 and B1 here and there, and no blob of the remote is orphaned once garbage was collected. */
  async assertSound(what: string, rehash: boolean): Promise<void> {
    const [log, blobs] = [this.#log, this.#blobs];
    const rows = await log.rowsAfter(BOOK, 0, 1_000_000);
    const identities = new Set(rows.map(({ origin, origin_seq }) => `${origin} ${origin_seq}`));
    assert.equal(identities.size, rows.length, `O1, ${what}: each row is there once`);
    for (const { place } of this.#machines) {
      const reader = StoreReader.openBeside(place.store);
      try {
        const { storeId } = new HeadSigner(place.store);
        assert.deepEqual(await verifyStore(reader), [], `${what}: the store is sound`);
        await collectRemote({ storeId, log, blobs }, { graceMs: 0 });
        const parts = { bookId: BOOK, storeId, reader, log, blobs };
        assert.deepEqual(
          (await verifyRemote(parts, { rehash })).findings,
          [],
          `${what}: the remote is sound`,
        );
      } finally {
        reader.close();
      }
    }
    const named = new Set(rows.map(({ new_hash }) => new_hash));
    const orphans = (await Array.fromAsync(blobs.list())).flat().filter(({ hash }) => !named.has(hash));
    assert.deepEqual(orphans, [], `${what}: no blob is orphaned`);
  }

  /** The same by the commands that an operator has, with all bytes brought here and hashed. */
  async assertSoundByCommands(): Promise<void> {
    for (const { place } of this.#machines) {
      await place.pfs("prefetch", BOOK);
      assert.match(await place.pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
      assert.match(await place.pfs("verify", "--remote", BOOK, "--rehash"), /is sound \(0 warnings\)/);
      assert.match(await place.pfs("gc", "--remote", BOOK), /There is nothing to remove/);
    }
    await this.assertSound("in the end", true);
  }
}

/** A book with one lesson, which both have mounted. */
async function share([a, b]: readonly [Machine, Machine], urls: readonly string[]): Promise<void> {
  await a.place.pfs("init", BOOK, "--schema", "any");
  await a.place.pfs("remote", "add", BOOK, ...urls);
  await a.mount();
  writeFileSync(join(a.place.dir, "lesson"), "# Both\n\n- alice\n\n--\n\n- bob\n\n--\n");
  await a.sync();
  await b.place.pfs("clone", ...urls, BOOK);
  await b.mount();
}
