/**
 * Measures sync: machines (stores, with real daemons and mounts) that share books on PostgreSQL and S3 of this machine. Round trips and
 * requests are counted on the wire, by proxies, in runs of their own; times are taken without them.
 */
import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, readFileSync } from "node:fs";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { openRemoteBlobs } from "../../lib/remote/open-remote-blobs.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import type { BlobHash } from "../../schema/ids.ts";
import { median } from "../median.ts";
import { makeBook } from "./book.ts";
import { Machine } from "./machine.ts";
import { type Asked, RemoteServers } from "./remote-servers.ts";

const SAVE_AND_SEE = new URL("save-and-see.ts", import.meta.url).pathname;
const LESSONS = { files: 500, meanBytes: 20_000 };
const MANY = { files: 10_000, meanBytes: 600 };
const ROUNDS = 3;
/** A network between this machine and S3: each request waits so long. */
const FAR_MS = 20;
const ONE_BY_ONE = 50;
const ASSET_MIB = 1024;
/** Enough to be sent in parts. */
const FIRST_ASSET_MIB = 20;
const MIB = 1024 * 1024;

/** One line of the report. */
export interface SyncFigure {
  readonly title: string;
  readonly measured: string;
  readonly wanted: string;
  readonly isMet: boolean;
}

export async function measureSync(work: string): Promise<SyncFigure[]> {
  mkdirSync(work, { recursive: true });
  const servers = await RemoteServers.start();
  try {
    const figures: SyncFigure[] = [];
    for (const measure of [measurePush, measureLinked, measureClone, measureReading, measureAsset]) {
      const measured = await measure(servers, join(work, measure.name));
      for (const { title, measured: is } of measured) process.stderr.write(`${title}: ${is}\n`);
      figures.push(...measured);
    }
    return figures;
  } finally {
    await servers.stop();
  }
}

/** A machine with a book that is shared, of which nothing was sent. */
async function makeSharing(place: string, book: string, urls: readonly string[]): Promise<Machine> {
  const machine = await Machine.make(place, "ann");
  await machine.pfs("init", "bench", "--schema", "any");
  await machine.pfs("import", "bench", book);
  await machine.pfs("remote", "add", "bench", ...urls);
  return machine;
}

async function measurePush(servers: RemoteServers, work: string): Promise<SyncFigure[]> {
  const book = join(work, "book");
  makeBook(book, LESSONS);
  const seconds: number[] = [];
  const busySeconds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const { direct } = await servers.makePlace();
    const machine = await makeSharing(join(work, `${round}`), book, direct);
    const before = servers.s3CpuSeconds();
    seconds.push(await machine.time("push", "bench"));
    busySeconds.push(servers.s3CpuSeconds() - before);
  }
  const { counted } = await servers.makePlace();
  const machine = await makeSharing(join(work, "counted"), book, counted);
  const first = await servers.count(() => machine.pfs("push", "bench"));
  const alone = await servers.count(() => machine.pfs("sync"));
  await machine.mount();
  const noops: Asked[] = [];
  try {
    // The daemon's own first sync.
    await machine.pfs("sync");
    await machine.untilSynced();
    for (let round = 0; round < ROUNDS; round++) noops.push(await servers.count(() => machine.pfs("sync")));
  } finally {
    await machine.stop();
  }
  const trips = (first.roundTrips * 100) / LESSONS.files;
  const [noopTrips, noopRequests] = [
    median(noops.map(({ roundTrips }) => roundTrips)),
    Math.max(alone.requests, ...noops.map(({ requests }) => requests)),
  ];
  const is = median(seconds);
  return [
    {
      title: `first push of ${LESSONS.files} lessons, 10 MB, their published copies and the command's start included`,
      measured: `${is.toFixed(2)} s (${median(busySeconds).toFixed(2)} s of it the S3 server's one thread is at work)`,
      wanted: "< 5 s",
      isMet: is < 5,
    },
    {
      title: `PostgreSQL round trips of it, per 100 files`,
      measured: `${trips.toFixed(1)} (${first.roundTrips} in all, beside ${first.requests} requests to S3)`,
      wanted: "≤ 10",
      isMet: trips <= 10,
    },
    {
      title: "a sync that finds nothing to do, with a daemon",
      measured: `${noopTrips} round trips, ${noopRequests} requests to S3`,
      wanted: "≤ 3, none",
      isMet: noopTrips <= 3 && noopRequests === 0,
    },
    {
      title: "the same without one, beside those that make its connection",
      measured: `${alone.roundTrips} round trips and ${alone.connections} connection, ${alone.requests} requests to S3`,
      wanted: "≤ 3, none",
      isMet: alone.roundTrips <= 3 && alone.requests === 0,
    },
  ];
}

async function measureLinked(servers: RemoteServers, work: string): Promise<SyncFigure[]> {
  const book = join(work, "book");
  makeBook(book, { files: 100, meanBytes: LESSONS.meanBytes });
  const { direct } = await servers.makePlace();
  const ann = await makeSharing(join(work, "ann"), book, direct);
  await ann.pfs("push", "bench");
  const ben = await Machine.make(join(work, "ben"), "ben");
  await ben.pfs("clone", ...direct, "bench");
  try {
    await ann.mount();
    await ben.mount();
    const args = [SAVE_AND_SEE, ann.directory, ben.directory, "content/00-Part-0/00-Chapter/1-lesson.md"];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const samples: number[] = JSON.parse(stdout);
    const is = median(samples);
    return [
      {
        title: "a save on one daemon's mount, read on another's",
        measured: `${is.toFixed(0)} ms (${Math.min(...samples).toFixed(0)} to ${Math.max(...samples).toFixed(0)})`,
        wanted: "median < 150 ms",
        isMet: is < 150,
      },
    ];
  } finally {
    await ann.stop();
    await ben.stop();
  }
}

async function measureClone(servers: RemoteServers, work: string): Promise<SyncFigure[]> {
  const book = join(work, "book");
  makeBook(book, MANY);
  const { direct } = await servers.makePlace();
  // No byte of them is fetched: where these are makes no difference, and a directory is filled sooner.
  const urls = [direct[0], `file://${join(work, "blobs")}`];
  const ann = await makeSharing(join(work, "ann"), book, urls);
  await ann.pfs("push", "bench");
  const seconds: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const ben = await Machine.make(join(work, `${round}`), "ben");
    seconds.push(await ben.time("clone", ...urls, "bench"));
  }
  const is = median(seconds);
  return [
    {
      title: "clone of a book of 10,000 files, the command's start included",
      measured: `${is.toFixed(2)} s`,
      wanted: "< 2 s",
      isMet: is < 2,
    },
  ];
}

/** A cold lesson, and all of them; S3 is as far away as many are. */
async function measureReading(servers: RemoteServers, work: string): Promise<SyncFigure[]> {
  const book = join(work, "book");
  makeBook(book, LESSONS);
  const { direct, counted } = await servers.makePlace();
  const ann = await makeSharing(join(work, "ann"), book, direct);
  await ann.pfs("push", "bench");
  const ben = await Machine.make(join(work, "ben"), "ben");
  await ben.pfs("clone", ...counted, "bench");
  await ben.mount();
  const { blobs } = servers;
  try {
    await ben.untilSynced();
    const lesson = "content/00-Part-0/00-Chapter/7-lesson.md";
    const cold = await servers.count(async () => {
      const text = await readFile(join(ben.directory, lesson));
      if (!text.equals(readFileSync(join(book, lesson)))) throw new Error("other bytes were read");
    });
    const underWay: number[] = [];
    blobs.plan = () => {
      underWay.push(blobs.underWay);
      return { type: "late", ms: FAR_MS };
    };
    const before = blobs.requests.length;
    const seconds = await ben.time("prefetch", "bench");
    const fetched = blobs.requests.length - before;
    const oneSeconds = await fetchOneByOne(counted[1], blobs.requests.slice(before), work);
    const speedUp = oneSeconds / (seconds / fetched);
    const most = Math.max(...underWay.slice(0, fetched));
    return [
      {
        title: "a lesson whose bytes are not here, read for the first time",
        measured: `${cold.requests} request to S3, ${cold.roundTrips} round trips`,
        wanted: "1",
        isMet: cold.requests === 1,
      },
      {
        title: `\`pfs prefetch\` of ${fetched} lessons from an S3 that is ${FAR_MS} ms away, its start included`,
        measured: `${(fetched / seconds).toFixed(0)} lessons/s, ${speedUp.toFixed(1)} × one by one; ${most} requests at once, ${mean(underWay.slice(0, fetched)).toFixed(1)} on average`,
        wanted: "parallel: ≥ 4 ×",
        isMet: speedUp >= 4,
      },
    ];
  } finally {
    blobs.plan = () => undefined;
    await ben.stop();
  }
}

/** Seconds for each of some blobs, by the same way, one after the other. */
async function fetchOneByOne(
  url: string,
  requests: readonly { readonly url: string }[],
  work: string,
): Promise<number> {
  const remote = await openRemoteBlobs(url, {
    uploadsDirectory: join(work, "uploads"),
    counters: new RemoteCounters(),
  });
  try {
    const hashes = requests.slice(0, ONE_BY_ONE).map(({ url }) => /[0-9a-f]{64}/.exec(url)?.[0] as BlobHash);
    const start = performance.now();
    for (const hash of hashes) for await (const _ of remote.get(hash));
    return (performance.now() - start) / 1000 / hashes.length;
  } finally {
    await remote.close();
  }
}

async function measureAsset(servers: RemoteServers, work: string): Promise<SyncFigure[]> {
  const book = join(work, "book");
  makeBook(book, { files: 20, meanBytes: LESSONS.meanBytes });
  const { direct } = await servers.makePlace();
  const ann = await makeSharing(join(work, "ann"), book, direct);
  await ann.pfs("push", "bench");
  await ann.mount();
  try {
    // The first upload in parts compiles what does it, as a checkout has sources only, and holds the compiler.
    await writeAsset(join(ann.directory, "static", "img", "first.bin"), FIRST_ASSET_MIB);
    await ann.untilSynced();
    // What writing takes is not what is measured here.
    await ann.pfs("remote", "remove", "bench");
    await writeAsset(join(ann.directory, "static", "img", "asset.bin"), ASSET_MIB);
    await ann.stop();
    await ann.mount();
    const idle = await ann.residentMb();
    await ann.forgetPeak();
    const start = performance.now();
    await ann.pfs("remote", "add", "bench", ...direct);
    await ann.pfs("push", "bench");
    await ann.untilSynced();
    const seconds = (performance.now() - start) / 1000;
    const peak = await ann.peakMb();
    return [
      {
        title: "the daemon's memory at most while it pushes an asset of 1 GiB",
        measured: `${peak.toFixed(0)} MB (${idle.toFixed(0)} before; ${(ASSET_MIB / seconds).toFixed(0)} MiB/s)`,
        wanted: "< 150 MB",
        isMet: peak < 150,
      },
    ];
  } finally {
    await ann.stop();
  }
}

async function writeAsset(path: string, mib: number): Promise<void> {
  const file = await open(path, "w");
  try {
    const chunk = randomBytes(MIB);
    for (let index = 0; index < mib; index++) {
      chunk.writeUInt32LE(index, 0);
      await file.writeFile(chunk);
    }
  } finally {
    await file.close();
  }
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
