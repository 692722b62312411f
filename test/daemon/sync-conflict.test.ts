// Two machines whose daemons both lose the shared log, and whose users both change the same line meanwhile (W2).

import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { PostgresServer } from "../remote/postgres-server.ts";
import { setS3Credentials, startS3Server } from "../remote/s3-server.ts";
import { TcpProxy } from "../remote/tcp-proxy.ts";
import { eventually, LESSON, type Place, SAMPLE, withPlace } from "./harness.ts";

/** One of the two, with its own way to PostgreSQL. */
interface Machine extends Place {
  readonly way: TcpProxy;
}

/** Alice has shared a book and bob has cloned it; both have it mounted. */
async function withMachines(use: (alice: Machine, bob: Machine) => Promise<void>): Promise<void> {
  const postgres = await PostgresServer.make("embedded");
  const s3 = await startS3Server();
  const ways = [await TcpProxy.make(postgres.port), await TcpProxy.make(postgres.port)] as const;
  const env: NodeJS.ProcessEnv = {};
  setS3Credentials(env);
  const as = (agent: string) => ({ env: { ...env, PFS_AGENT_ID: agent } });
  try {
    const database = await postgres.makeDatabase();
    const urlsBy = ({ port }: TcpProxy) => [
      `postgres://pfs@127.0.0.1:${port}/${database}`,
      s3.urlOf("conflict"),
    ];
    await withPlace(async (alice) => {
      await withPlace(async (bob) => {
        await alice.pfs("import", "my-book", SAMPLE);
        await alice.pfs("remote", "add", "my-book", ...urlsBy(ways[0]));
        await alice.pfs("push", "my-book");
        await bob.pfs("clone", ...urlsBy(ways[1]), "my-book");
        for (const place of [alice, bob]) await place.pfs("mount", "my-book", place.dir);
        await use({ ...alice, way: ways[0] }, { ...bob, way: ways[1] });
      }, as("bob"));
    }, as("alice"));
  } finally {
    for (const way of ways) await way.close();
    await s3.stop();
    await postgres.remove();
  }
}

function goOffline({ way }: Machine): void {
  way.onRequest = () => way.cut();
  way.cut();
}

function goOnline({ way }: Machine): void {
  way.onRequest = undefined;
}

async function syncOf(machine: Machine): Promise<Record<string, unknown>> {
  const status = (await machine.status()) as unknown as { sync: Record<string, unknown>[] };
  return status.sync[0] ?? {};
}

function textOf({ dir }: Machine, path = LESSON): string {
  return readFileSync(join(dir, path), "utf8");
}

function conflictsOf({ dir }: Machine): string[] {
  return readdirSync(join(dir, ".pfs/conflicts"));
}

test("W2: two daemons, the same line changed on both while they are offline: a conflict folder on the machine that comes second, and none on the first", () =>
  withMachines(async (alice, bob) => {
    const base = textOf(alice);
    assert.equal(textOf(bob), base);
    const [first = "", ...rest] = base.split("\n");
    const changed = (by: string): string => [`${first} ${by}`, ...rest].join("\n");
    const [hers, his] = [changed("by alice"), changed("by bob")];
    for (const machine of [alice, bob]) goOffline(machine);
    writeFileSync(join(alice.dir, LESSON), hers);
    writeFileSync(join(bob.dir, LESSON), his);
    for (const machine of [alice, bob]) {
      await eventually(
        "its daemon knows that it is offline",
        async () => (await syncOf(machine)).error !== null,
      );
      assert.equal((await syncOf(machine)).pending, 1);
    }
    goOnline(alice);
    await alice.pfs("sync");
    assert.equal((await syncOf(alice)).pending, 0);
    assert.equal(textOf(bob), his);

    goOnline(bob);
    await bob.pfs("pull", "my-book");
    assert.equal(textOf(bob), hers);
    const [id = ""] = conflictsOf(bob);
    const folder = `.pfs/conflicts/${id}`;
    assert.equal(textOf(bob, `${folder}/base`), base);
    assert.equal(textOf(bob, `${folder}/mine`), his);
    assert.equal(textOf(bob, `${folder}/theirs`), hers);
    assert.deepEqual(conflictsOf(bob), [id]);
    for (const machine of [alice, bob]) await machine.pfs("sync");
    assert.deepEqual(conflictsOf(alice), []);
    assert.equal(textOf(alice), hers);

    await bob.pfs("resolve", id, "--mine");
    assert.deepEqual(conflictsOf(bob), []);
    await bob.pfs("sync");
    await alice.pfs("sync");
    await eventually("alice has what bob decided", () => textOf(alice) === his);
    assert.equal(textOf(bob), his);
    assert.deepEqual(conflictsOf(alice), []);
    const [here, there] = [await alice.pfs("manifest", "my-book"), await bob.pfs("manifest", "my-book")];
    assert.equal(here, there);
  }));
