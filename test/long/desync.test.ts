// What the check in the background finds of a store and of a remote, by real damage: metric, status, log; and that `pfs repair`
// brings it back to nothing.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { findDaemon } from "../../daemon/daemon-client.ts";
import type { CheckStatus } from "../../daemon/desync-checks.ts";
import { eventually, LESSON, PFSD, type Place, SAMPLE, withPlace } from "../daemon/harness.ts";

const OTHER_LESSON = "content/01-Foundations/01-Plain-Text/02-markdown-in-practice.md";

const sha256 = (bytes: string | Buffer): string => createHash("sha256").update(bytes).digest("hex");

async function checkOf(place: Place): Promise<CheckStatus> {
  return (JSON.parse(await place.pfs("status", "--json")) as { check: CheckStatus }).check;
}

async function call(store: string, method: "GET" | "POST", path: string, body?: object): Promise<unknown> {
  const daemon = await findDaemon(store);
  assert.ok(daemon !== undefined);
  return await daemon.call(method, path, body);
}

/** Resolves once a check has led to what `holds` says. It has a low priority: what other tests do goes before it. */
async function checked(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
  await eventually(what, holds, 300_000);
}

/** Has a part checked, and waits until that is over. */
async function checkNow(place: Place, book?: string): Promise<CheckStatus> {
  await call(place.store, "POST", "/check", book === undefined ? {} : { book });
  let status: CheckStatus | undefined;
  const isOver = async (): Promise<boolean> => {
    status = await checkOf(place);
    const part = status.parts.find((each) => each.book === (book ?? null));
    assert.equal(part?.problem ?? null, null);
    return part !== undefined && !part.is_running && part.checked_at !== null;
  };
  await checked("the check ends", isOver);
  return status as CheckStatus;
}

/** `pfs_desync` by kind, of all books. */
function metricOf(dir: string): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [, kind = "", value] of metricLines(dir).matchAll(
    /^pfs_desync\{book="[a-z-]*",kind="(\w+)"\} (\d+)$/gm,
  ))
    sums[kind] = (sums[kind] ?? 0) + Number(value);
  return sums;
}

const metricLines = (dir: string): string => readFileSync(join(dir, ".pfs/metrics"), "utf8");

function tamper(store: string, sql: string): void {
  const database = new Sqlite(join(store, "pfs.db"));
  database.exec(sql);
  database.close();
}

const blobFile = (folder: string, hash: string): string => join(folder, hash.slice(0, 2), hash);

test("R2 R6: a damaged blob and a changed row of the journal are counted, said and warned of, and repaired to nothing", () =>
  withPlace(async (place) => {
    const { pfs, store, dir, top, start } = place;
    const large = Buffer.alloc(3_000_000, "large ");
    await pfs("import", "my-book", SAMPLE);
    await pfs("init", "big-book", "--schema", "any");
    mkdirSync(join(top, "source"));
    writeFileSync(join(top, "source/large.bin"), large);
    await pfs("import", "big-book", join(top, "source"));
    for (const book of ["my-book", "big-book"]) {
      await pfs("remote", "add", book, `file://${join(top, book)}`);
      await pfs("push", book);
    }
    const daemon = start(PFSD);
    await daemon.until(/"started"/);
    await pfs("mount", "my-book", dir);
    assert.deepEqual(metricOf(dir), {}, "nothing is said of what was never checked");
    assert.deepEqual((await checkNow(place)).differences, []);
    assert.deepEqual(metricOf(dir), { log: 0, journal: 0, bytes: 0 });

    // The same size and another byte; the row of another lesson's journal; a small blob in the database.
    const damaged = Buffer.from(large);
    damaged[2_000_000] = 1;
    writeFileSync(blobFile(join(store, "objects"), sha256(large)), damaged);
    const lesson = readFileSync(join(SAMPLE, LESSON));
    tamper(
      store,
      `UPDATE blob SET data = zeroblob(length(data)) WHERE sha256 = '${sha256(lesson)}';
       UPDATE file_journal SET mode = 33261 WHERE path = '${OTHER_LESSON}'`,
    );
    const { differences } = await checkNow(place);
    assert.deepEqual(differences.map(({ book, kind, count }) => [book, kind, count]).sort(), [
      ["big-book", "bytes", 1],
      ["my-book", "bytes", 1],
      ["my-book", "journal", 1],
    ]);
    for (const { fix } of differences) assert.match(fix, /`pfs stop && pfs repair`/);
    const metrics = metricLines(dir);
    assert.ok(metrics.includes('\npfs_desync{book="big-book",kind="bytes"} 1\n'));
    assert.ok(metrics.includes('\npfs_desync{book="my-book",kind="journal"} 1\n'));
    assert.ok(metrics.includes('\npfs_desync{book="my-book",kind="log"} 0\n'));
    const warning = await daemon.until(/The journal gives .* another mode/);
    assert.match(warning, /"level":40.*`pfs stop && pfs repair` mends what can be mended\./);
    const told = await pfs("status");
    assert.match(told, /differs +my-book, journal: The journal gives .*`pfs stop && pfs repair`/);
    assert.match(told, /differs +big-book, bytes: The bytes of large\.bin do not match their hash\./);
    assert.match(told, /health +The check in the background has found 3 difference\(s\)/);
    // Nothing keeps anybody from saving.
    writeFileSync(join(dir, OTHER_LESSON), "saved all the same\n");

    await pfs("stop");
    assert.equal((await checkOf(place)).differences.length, 3, "it is remembered without a daemon");
    assert.equal(statSync(join(store, "checks.json")).mode & 0o777, 0o600);
    assert.match(await pfs("repair"), /The store is sound\./);
    assert.deepEqual((await checkOf(place)).differences, []);
    await pfs("mount", "my-book", dir);
    assert.deepEqual((await checkNow(place)).differences, []);
    assert.deepEqual(metricOf(dir), { log: 0, journal: 0, bytes: 0 });
    assert.equal(readFileSync(join(dir, LESSON), "utf8"), String(lesson));
  }));

test("B1 R2: a remote's bytes that are gone or others, and a changed copy, are counted by book, and repaired to nothing", () =>
  withPlace(async (place) => {
    const { pfs, dir, top } = place;
    const remote = join(top, "remote");
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    await pfs("remote", "add", "my-book", `file://${remote}`);
    await pfs("push", "my-book");
    assert.deepEqual((await checkNow(place, "my-book")).differences, []);
    assert.deepEqual(metricOf(dir), { remote_log: 0, remote_bytes: 0, published: 0 });

    const [gone, other] = [LESSON, OTHER_LESSON].map((path) => readFileSync(join(SAMPLE, path)));
    rmSync(blobFile(join(remote, "blobs"), sha256(gone as Buffer)));
    const tampered = blobFile(join(remote, "blobs"), sha256(other as Buffer));
    writeFileSync(tampered, Buffer.alloc((other as Buffer).byteLength, "x"));
    writeFileSync(join(remote, "books/my-book", LESSON), "tampered with");
    const { differences } = await checkNow(place, "my-book");
    const counts = Object.fromEntries(differences.map(({ kind, count }) => [kind, count]));
    // What was made of bytes that are others is not believed, either.
    assert.deepEqual(counts, { remote_bytes: 2, published: 1 });
    assert.deepEqual(metricOf(dir), { remote_log: 0, remote_bytes: 2, published: 1 });
    assert.match(
      await pfs("status"),
      /differs +my-book, remote bytes: 2 differences, the first: .*`pfs repair --remote my-book --rehash`/,
    );

    assert.match(await pfs("repair", "--remote", "my-book", "--rehash"), /is sound\./);
    await checked("the check that follows", async () => (await checkOf(place)).differences.length === 0);
    await checked(
      "the metric",
      () => Object.values(metricOf(dir)).reduce((sum, each) => sum + each, 0) === 0,
    );
    assert.ok(existsSync(blobFile(join(remote, "blobs"), sha256(gone as Buffer))));
    assert.deepEqual(readFileSync(tampered), other);
  }));

test("check_interval: a daemon checks by itself; what cannot be asked is a problem and no difference; off is off", () =>
  withPlace(async (place) => {
    const { pfs, dir, top, store, env } = place;
    env.PFS_CONFIG = join(top, "config.json");
    const remote = join(top, "remote");
    writeFileSync(env.PFS_CONFIG, JSON.stringify({ check_interval: "1s" }));
    await pfs("import", "my-book", SAMPLE);
    await pfs("remote", "add", "my-book", `file://${remote}`);
    await pfs("mount", "my-book", dir);
    await checked("store and remote are checked", async () =>
      (await checkOf(place)).parts.every(({ checked_at }) => checked_at !== null),
    );
    assert.equal((await checkOf(place)).interval_seconds, 1);
    tamper(store, `DELETE FROM file_journal WHERE path = '${OTHER_LESSON}'`);
    await checked("the missing row is found", async () =>
      (await checkOf(place)).differences.some(
        ({ kind, first }) => kind === "journal" && first.startsWith("The journal lacks "),
      ),
    );
    renameSync(remote, `${remote}-elsewhere`);
    await checked("the remote is gone", async () =>
      (await checkOf(place)).parts.some(({ part, problem }) => part === "remote" && problem !== null),
    );
    assert.ok((await checkOf(place)).differences.every(({ kind }) => kind === "journal"));
    writeFileSync(env.PFS_CONFIG, JSON.stringify({ check_interval: "off" }));
    await eventually("off", async () => (await checkOf(place)).interval_seconds === null);
    assert.match(await pfs("status"), /checks +store .*; `check_interval` is off/);
  }));
