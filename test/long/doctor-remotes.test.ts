// What `pfs doctor` says of remotes: real servers that answer, refuse, are silent, gone, of another version or another time.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, mock, test } from "node:test";
import { ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import type { Diagnosis } from "../../daemon/doctor/diagnosis.ts";
import { type ExaminedRemote, examineRemotes } from "../../daemon/doctor/remotes.ts";
import { openRemoteLog } from "../../lib/remote/open-remote-log.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { parseBookId } from "../../schema/ids.ts";
import { type Place, SAMPLE, withPlace } from "../daemon/harness.ts";
import { GUEST, PASSWORD, PostgresServer } from "../remote/postgres-server.ts";
import { S3Fixture } from "../remote/s3-fixture.ts";
import { refuseSecrets, SECRETS } from "../secrets.ts";

const s3 = new S3Fixture();
let postgres: PostgresServer;
let folder: string;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  postgres = await PostgresServer.make("embedded");
  await postgres.run("postgres", `CREATE ROLE ${GUEST} LOGIN PASSWORD '${PASSWORD}'`);
});
after(async () => {
  await postgres.remove();
  rmSync(folder, { recursive: true });
});

/** What is said of remotes, as `status check`, and all that was printed. */
async function doctor(place: Place): Promise<{ said: string[]; lines: Diagnosis[]; text: string }> {
  const { stdout, stderr } = await place.run("doctor", "--json");
  const lines = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Diagnosis)
    .filter(({ check }) => /^remote (log|blobs|clock)$/.test(check));
  return { said: lines.map(({ status, check }) => `${status} ${check}`), lines, text: stdout + stderr };
}

const ALL_WELL = ["pass remote log", "pass remote clock", "pass remote blobs", "pass remote clock"];

test("doctor: remotes that answer and may be written pass, with a daemon and without, and nothing is left there", () =>
  withPlace(async (place) => {
    const { pfs, dir, env } = place;
    const database = await postgres.makeDatabase();
    env.DATABASE_URL = postgres.url(database, { user: GUEST });
    await postgres.run("postgres", `GRANT CREATE ON DATABASE ${database} TO ${GUEST}`);
    const { url, location } = s3.makeRemote();
    env.PFS_REMOTE = url;
    await pfs("import", "my-book", SAMPLE);
    await pfs("remote", "add", "my-book");
    await pfs("push", "my-book");
    const objects = await listAll(location.prefix);
    const first = await doctor(place);
    assert.deepEqual(first.said, ALL_WELL, first.text);
    assert.match(first.lines[0]?.message ?? "", /answers, may be written and has schema version \d+\.$/);
    // Only the daemon has the credentials now.
    await pfs("mount", "my-book", dir);
    delete env.DATABASE_URL;
    const second = await doctor(place);
    assert.deepEqual(second.said, ALL_WELL, second.text);
    for (const { text } of [first, second])
      assert.ok(!text.includes(PASSWORD) && !text.includes(encodeURIComponent(PASSWORD)));
    assert.deepEqual(await listAll(location.prefix), objects);
    const begun = s3.proxy.requests.filter(({ method, url }) => method === "POST" && /[?&]uploads/.test(url));
    const ended = s3.proxy.requests.filter(({ method, url }) => method === "DELETE" && /uploadId=/.test(url));
    assert.deepEqual([begun.length, ended.length], [2, 2]);
    await pfs("stop");

    env.DATABASE_URL = postgres.url(database, { user: GUEST, password: SECRETS.wrongDatabasePassword });
    const wrong = await doctor(place);
    assert.deepEqual(wrong.said, ["fail remote log", "pass remote blobs", "pass remote clock"]);
    assert.match(wrong.lines[0]?.message ?? "", /^my-book: .* refuses the user or the password\.$/);
    assert.match(wrong.lines[0]?.fix ?? "", /password/);
    refuseSecrets("pfs doctor", wrong.text);

    env.DATABASE_URL = postgres.url(database, { user: GUEST });
    await postgres.run(database, `ALTER ROLE ${GUEST} SET default_transaction_read_only = on`);
    const reader = await doctor(place);
    await postgres.run(database, `ALTER ROLE ${GUEST} RESET default_transaction_read_only`);
    assert.deepEqual(reader.said[0], "fail remote log");
    assert.match(
      reader.lines[0]?.message ?? "",
      /may be read, but not written: the database takes no changes\.$/,
    );

    await postgres.run(database, "UPDATE pfs.pfs_remote SET schema_version = 99");
    const newer = await doctor(place);
    assert.deepEqual(newer.said[0], "fail remote log");
    assert.match(newer.lines[0]?.fix ?? "", /Upgrade pfs/);
    await postgres.run(database, "DROP SCHEMA pfs CASCADE");
    const gone = await doctor(place);
    assert.match(gone.lines[0]?.message ?? "", /has no remote of pfs\.$/);
  }));

/** Objects below a prefix. */
async function listAll(prefix: string): Promise<(string | undefined)[]> {
  const { endpoint, bucket: Bucket } = s3.server;
  const client = new S3Client({ endpoint, region: "auto", forcePathStyle: true });
  try {
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, Prefix: prefix }));
    return Contents.map(({ Key }) => Key);
  } finally {
    client.destroy();
  }
}

const BOOK = parseBookId("my-book");

function examined(logUrl: string, blobsUrl: string): ExaminedRemote[] {
  return [{ bookId: BOOK, logUrl, blobsUrl, remoteId: undefined }];
}

test("doctor: servers that are gone, silent or forbid it fail within a bounded time", async () => {
  const sockets = new Set<Socket>();
  const silent = createServer((socket) => sockets.add(socket)).listen(0, "127.0.0.1");
  await once(silent, "listening");
  const { port } = silent.address() as AddressInfo;
  try {
    const startMs = performance.now();
    const mute = await examineRemotes(
      examined(`postgres://pfs@127.0.0.1:${port}/x`, `s3://bucket/x?endpoint=http://127.0.0.1:${port}`),
      folder,
      1000,
    );
    assert.ok(performance.now() - startMs < 20_000);
    assert.deepEqual(
      mute.map(({ status, check }) => `${status} ${check}`),
      ["fail remote log", "fail remote blobs"],
    );
    for (const { message } of mute)
      assert.match(message, /^my-book: .* has not answered within 1 seconds\.$/);
  } finally {
    for (const socket of sockets) socket.destroy();
    silent.close();
  }
  const refused = await examineRemotes(
    examined("postgres://pfs@127.0.0.1:9/x", "s3://bucket/x?endpoint=http://127.0.0.1:9"),
    folder,
  );
  assert.deepEqual(
    refused.map(({ status, message }) => [status, /ECONNREFUSED/.test(message)]),
    [
      ["fail", true],
      ["fail", true],
    ],
  );
  const missing = await examineRemotes(examined(`file://${folder}/none`, `file://${folder}/none`), folder);
  for (const { status, message } of missing)
    assert.deepEqual([status, message], ["fail", `my-book: There is no remote at ${folder}/none.`]);
  assert.equal(missing.length, 2);
  const remote = s3.makeRemote();
  s3.proxy.plan = ({ method }) =>
    method === "POST"
      ? { type: "status", status: 403, body: "<Error><Code>AccessDenied</Code></Error>" }
      : undefined;
  const database = await newLog();
  const forbidden = await examineRemotes(examined(database, remote.url), folder);
  const blobs = forbidden.find(({ check }) => check === "remote blobs");
  assert.equal(blobs?.status, "fail");
  assert.match(blobs?.message ?? "", /may be read, but not written: .*403/);
});

async function newLog(): Promise<string> {
  const url = postgres.url(await postgres.makeDatabase());
  const log = await openRemoteLog(url, { counters: new RemoteCounters(), isNew: true });
  await log.identity();
  await log.close();
  return url;
}

test("doctor: clocks that are a minute apart are warned of, and a quarter of an hour is what S3 refuses", async () => {
  const log = await newLog();
  const { url } = s3.makeRemote();
  for (const [minutes, said] of [
    [-2, ["warn", "warn"]],
    [20, ["warn", "fail"]],
  ] as const) {
    mock.timers.enable({ apis: ["Date"], now: Date.now() + minutes * 60_000 });
    try {
      const lines = await examineRemotes(examined(log, url), folder);
      const clocks = lines.filter(({ check }) => check === "remote clock");
      assert.deepEqual(
        clocks.map(({ status }) => status),
        said,
        JSON.stringify(lines),
      );
      const which = minutes < 0 ? "behind" : "ahead of";
      for (const { message } of clocks)
        assert.match(message, new RegExp(`^The clock of this machine is \\d+ s ${which} that of `));
    } finally {
      mock.timers.reset();
    }
  }
});

test("doctor: a remote that is configured and that no book is shared on yet is looked at, too", () =>
  withPlace(async (place) => {
    const { env, top } = place;
    env.PFS_CONFIG = join(top, "config.json");
    const blobs = `file://${join(top, "nowhere")}`;
    writeFileSync(env.PFS_CONFIG, JSON.stringify({ remotes: [{ book: "my-book", blobs }] }), { mode: 0o600 });
    const { said, lines } = await doctor(place);
    assert.deepEqual(said, ["fail remote log", "fail remote blobs"]);
    assert.match(lines[0]?.fix ?? "", /Mount the disk/);
  }));
