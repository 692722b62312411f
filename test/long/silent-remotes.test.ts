// Servers that accept everything and never answer, with the time limits of real life: PostgreSQL behind a connection that is dead
// without a word, an S3 that says nothing. Both are found out, told in the status, and when they speak all goes on (O1, R2, R6).

import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type { SyncStatus } from "../../daemon/sync-status.ts";
import { eventually, type Place, withPlace } from "../daemon/harness.ts";
import { HttpFaultProxy } from "../remote/http-fault-proxy.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { setS3Credentials, startS3Server } from "../remote/s3-server.ts";
import { TcpProxy } from "../remote/tcp-proxy.ts";

const BOOK = "my-book";
/** Twice what is given to a request that sends bytes. */
const PATIENCE_MS = 240_000;

async function syncOf(place: Place): Promise<SyncStatus | undefined> {
  return ((await place.status()) as unknown as { sync: SyncStatus[] }).sync[0];
}

async function assertSame(places: readonly [Place, Place]): Promise<void> {
  const hashOf = ({ dir }: Place): string => readFileSync(join(dir, ".pfs/manifest.hash"), "utf8");
  for (const place of places)
    await eventually("nothing waits", async () => (await syncOf(place))?.pending === 0);
  await eventually("both have the same", () => hashOf(places[0]) === hashOf(places[1]));
  for (const { pfs } of places) {
    assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
    assert.match(await pfs("verify", "--remote", BOOK, "--rehash"), /is sound \(0 warnings\)/);
  }
}

test("faults, O1, R2, R6: servers that never answer are given up, told of, and what waits comes when they speak", async () => {
  const postgres = await PostgresServer.make("embedded");
  const s3 = await startS3Server();
  const tcp = await TcpProxy.make(postgres.port);
  const http = await HttpFaultProxy.start(s3.endpoint);
  const env: NodeJS.ProcessEnv = {};
  setS3Credentials(env);
  const database = await postgres.makeDatabase();
  const urlsBy = (port: number): string[] => [
    `postgres://pfs@127.0.0.1:${port}/${database}`,
    s3.urlOf("silent", http.url),
  ];
  try {
    await withPlace(
      async (a) => {
        await withPlace(
          async (b) => {
            await a.pfs("init", BOOK, "--schema", "any");
            await a.pfs("remote", "add", BOOK, ...urlsBy(postgres.port));
            await a.pfs("push", BOOK);
            await b.pfs("clone", ...urlsBy(tcp.port), BOOK);
            for (const { pfs, dir } of [a, b]) await pfs("mount", BOOK, dir);
            await eventually("bob listens", () => tcp.begun - tcp.ended > 1);

            const ended = tcp.ended;
            tcp.fallSilent();
            writeFileSync(join(a.dir, "lesson"), "while nobody tells bob\n");
            await eventually("the dead connection is found out", () => tcp.ended > ended, PATIENCE_MS);
            tcp.speak();
            await assertSame([a, b]);

            http.plan = () => ({ type: "silence" });
            writeFileSync(join(a.dir, "lesson"), "while S3 says nothing\n");
            const told = / has not answered for \d+ s\.$/;
            await eventually(
              "it is told",
              async () => told.test((await syncOf(a))?.error ?? ""),
              PATIENCE_MS,
            );
            assert.equal((await syncOf(a))?.pending, 1);
            http.plan = () => undefined;
            await eventually("it goes there", async () => (await syncOf(a))?.pending === 0, PATIENCE_MS);
            await assertSame([a, b]);
          },
          { env: { ...env, PFS_AGENT_ID: "bob" } },
        );
      },
      { env: { ...env, PFS_AGENT_ID: "alice" } },
    );
  } finally {
    await http.stop();
    await tcp.close();
    await s3.stop();
    await postgres.remove();
  }
});
