// `cache_limit` of the configuration, with real daemons, mounts and remotes: what is over it goes, if a remote has it, and comes
// again when it is needed; whatever happens in between, nothing is lost.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test } from "node:test";
import Sqlite from "better-sqlite3";
import { eventually, isAlive, PFS, type Place, type Running, withPlace } from "../daemon/harness.ts";
import { type S3Server, setS3Credentials, startS3Server } from "../remote/s3-server.ts";

let s3: S3Server;
before(async () => {
  s3 = await startS3Server();
});
after(() => s3.stop());

const SIZE = 200_000;
/** Two that are files of the store, and two that are in its database. */
const FILES: Readonly<Record<string, Buffer>> = {
  "large-1.md": Buffer.alloc(SIZE, "first large one "),
  "large-2.md": Buffer.alloc(SIZE, "second large one "),
  "small-1.md": Buffer.from("first small one\n"),
  "small-2.md": Buffer.from("second small one\n"),
};
const TOTAL = Object.values(FILES).reduce((sum, { length }) => sum + length, 0);

interface Cached {
  /** A store that has all bytes of `my-book`, which is shared, and no daemon. */
  readonly place: Place;
  /** Where the remote's blobs are, of one that is a directory. */
  readonly remote: string;
  /** Starts a daemon with this limit, and mounts the book. */
  up(limit: number, env?: NodeJS.ProcessEnv): Promise<Running>;
  /** What a daemon that runs reads next. */
  setLimit(limit: number): void;
}

async function withCached(
  use: (cached: Cached) => Promise<void>,
  makeBlobsUrl: (remote: string) => string = (remote) => `file://${remote}`,
): Promise<void> {
  const env: NodeJS.ProcessEnv = { PFS_AGENT_ID: "ann" };
  setS3Credentials(env);
  await withPlace(
    async (place) => {
      const { top, store, pfs } = place;
      const [source, remote, file] = [join(top, "source"), join(top, "remote"), join(top, "config.json")];
      mkdirSync(source);
      for (const [name, bytes] of Object.entries(FILES)) writeFileSync(join(source, name), bytes);
      await pfs("import", "my-book", source, "--schema", "any");
      await pfs("remote", "add", "my-book", `file://${remote}`, makeBlobsUrl(remote));
      await pfs("push", "my-book");
      ageAll(store);
      const setLimit = (limit: number): void => {
        const mounts = [{ book: "my-book", directory: place.dir }];
        writeFileSync(`${file}.new`, JSON.stringify({ store, cache_limit: limit, mounts }));
        renameSync(`${file}.new`, file);
      };
      place.env.PFS_CONFIG = file;
      await use({
        place,
        remote,
        setLimit,
        async up(limit, more = {}) {
          setLimit(limit);
          Object.assign(place.env, more);
          const daemon = place.start(PFS, "up");
          for (const key of Object.keys(more)) delete place.env[key];
          // The kernel may list a dead mount, too.
          await eventually("the book is mounted", async () => {
            const { pid, mounts } = await place.status();
            return pid === daemon.pid && mounts.length === 1;
          });
          return daemon;
        },
      });
    },
    { env },
  );
}

/** As if nothing had been used for an hour. */
function ageAll(store: string): void {
  const database = new Sqlite(join(store, "pfs.db"));
  try {
    database.prepare("UPDATE blob_use SET used = used - 3600").run();
  } finally {
    database.close();
  }
}

interface Cache {
  readonly bytes: number | null;
  readonly limit_bytes: number;
  readonly evicted_blobs: number;
  readonly evicted_bytes: number;
  readonly problem: string | null;
}

async function cacheOf(place: Place): Promise<Cache> {
  return ((await place.status()) as unknown as { cache: Cache }).cache;
}

function readAll(place: Place): void {
  for (const [name, bytes] of Object.entries(FILES))
    assert.deepEqual(readFileSync(join(place.dir, name)), bytes);
}

/** Large blobs that are here. */
function objects(place: Place): number {
  return readdirSync(join(place.store, "objects")).flatMap((folder) =>
    readdirSync(join(place.store, "objects", folder)),
  ).length;
}

async function stop(place: Place, daemon: Running): Promise<void> {
  await place.pfs("stop");
  assert.equal(await daemon.exit, 0);
}

for (const [kind, makeBlobsUrl] of [
  ["a directory", undefined],
  ["S3", () => s3.urlOf("cache-limit")],
] as const) {
  test(`${kind}: bytes over the limit go, down to nine tenths of it, and come again when they are read`, () =>
    withCached(async ({ place, up }) => {
      const daemon = await up(SIZE + 10_000);
      await eventually(
        "one large file is evicted",
        async () => ((await cacheOf(place)).bytes ?? TOTAL) < SIZE,
      );
      const cache = await cacheOf(place);
      assert.equal(cache.limit_bytes, SIZE + 10_000);
      assert.equal(cache.evicted_bytes, TOTAL - (cache.bytes as number));
      assert.equal(cache.problem, null);
      assert.match(await place.pfs("status"), /^cache +\S+ K?B of blobs here, limit 210 KB$/m);
      const metrics = readFileSync(join(place.dir, ".pfs/metrics"), "utf8");
      assert.match(metrics, new RegExp(`^pfs_cache_bytes ${cache.bytes}$`, "m"));
      assert.match(metrics, /^pfs_cache_limit_bytes 210000$/m);
      assert.match(metrics, new RegExp(`^pfs_evicted_blobs_total ${cache.evicted_blobs}$`, "m"));
      assert.match(await place.pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
      readAll(place);
      assert.equal(objects(place), 2, "what was read is here again");
      await stop(place, daemon);
      assert.match(await place.pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
    }, makeBlobsUrl));
}

test("what was used lately stays, also over the limit, which is told; without a limit nothing is said of a cache", () =>
  withCached(async ({ place, up }) => {
    const daemon = await up(TOTAL);
    await eventually("it is counted", async () => (await cacheOf(place)).bytes === TOTAL);
    readAll(place);
    await stop(place, daemon);
    const again = await up(0);
    await eventually("it was looked at", async () => (await cacheOf(place)).problem !== null);
    const cache = await cacheOf(place);
    assert.deepEqual([cache.bytes, cache.evicted_blobs], [TOTAL, 0]);
    assert.match(cache.problem ?? "", /more bytes than cache_limit allows/);
    await stop(place, again);
    writeFileSync(place.env.PFS_CONFIG as string, "{}");
    await place.pfs("mount", "my-book", place.dir);
    assert.equal(await cacheOf(place), null);
  }));

test("a remote that cannot be reached is no reason to evict anything; when it is back, it goes on", () =>
  withCached(async ({ place, remote, up, setLimit }) => {
    renameSync(remote, `${remote}-away`);
    const daemon = await up(0);
    await eventually("it is told", async () => (await cacheOf(place)).problem !== null);
    assert.match((await cacheOf(place)).problem ?? "", /^Nothing more is evicted for now\. .*remote/);
    assert.equal((await cacheOf(place)).evicted_blobs, 0);
    renameSync(`${remote}-away`, remote);
    setLimit(1);
    await eventually("all of it goes", async () => (await cacheOf(place)).evicted_blobs === 4);
    readAll(place);
    await stop(place, daemon);
  }));

test("what the remote has lost is the only copy, and stays; it is told how to mend that", () =>
  withCached(async ({ place, remote, up }) => {
    const [folder] = readdirSync(join(remote, "blobs"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .filter((path) => readFileSync(path).equals(FILES["large-1.md"] as Buffer));
    rmSync(folder as string);
    const daemon = await up(0);
    await eventually("the others go", async () => (await cacheOf(place)).evicted_blobs === 3);
    await eventually("it is told", async () => (await cacheOf(place)).problem !== null);
    assert.match((await cacheOf(place)).problem ?? "", /Remotes lack 1 blob that .*pfs repair --remote/);
    readAll(place);
    await stop(place, daemon);
  }));

test("what was not sent stays: written while the remote was away, it is here until it has been", () =>
  withCached(async ({ place, remote, up, setLimit }) => {
    const daemon = await up(TOTAL * 10);
    renameSync(remote, `${remote}-away`);
    const unsent = Buffer.alloc(SIZE, "not sent ");
    writeFileSync(join(place.dir, "unsent.md"), unsent);
    await stop(place, daemon);
    ageAll(place.store);
    renameSync(`${remote}-away`, remote);
    // Nobody syncs: the remote is there for blobs only.
    const log = readdirSync(remote).find((name) => name.endsWith(".db")) as string;
    renameSync(join(remote, log), join(remote, `${log}-away`));
    const again = await up(0);
    await eventually("all others go", async () => (await cacheOf(place)).evicted_blobs === 4);
    assert.equal((await cacheOf(place)).bytes, SIZE);
    assert.deepEqual(readFileSync(join(place.dir, "unsent.md")), unsent);
    renameSync(join(remote, `${log}-away`), join(remote, log));
    setLimit(TOTAL * 10);
    await stop(place, again);
    await place.pfs("sync");
    await place.pfs("verify", "--remote", "my-book");
  }));

// fault/killed-steps.test.ts has each step, without a daemon.
for (const step of ["object.noted", "transaction.committed"]) {
  test(`SC-002: a daemon killed with SIGKILL while it evicts (${step}) leaves a sound store, and all bytes are to be had`, () =>
    withCached(async ({ place, up }) => {
      const order = join(place.top, "order");
      const killer = new URL("../fault/step-killer.ts", import.meta.url).href;
      const first = await up(TOTAL * 10);
      await stop(place, first);
      ageAll(place.store);
      const daemon = await up(TOTAL * 10, { NODE_OPTIONS: `--import ${killer}`, PFS_TEST_KILL_AT: order });
      // Its uses are saved before that.
      await eventually("it is counted", async () => (await cacheOf(place)).bytes === TOTAL);
      writeFileSync(order, `${step} 1`);
      writeFileSync(
        place.env.PFS_CONFIG as string,
        JSON.stringify({
          store: place.store,
          cache_limit: 0,
          mounts: [{ book: "my-book", directory: place.dir }],
        }),
      );
      assert.equal(await daemon.exit, "SIGKILL");
      assert.equal(existsSync(order), false, "at that step");
      await eventually("it is gone", () => !isAlive(daemon.pid));
      const again = await up(TOTAL * 10);
      readAll(place);
      assert.match(await place.pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
      await stop(place, again);
    }));
}
