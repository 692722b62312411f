// Machines that share a book, and a PostgreSQL whose place is taken by its hot standby: at first that may only be read, then it is
// promoted. Whether or not it has all that the first one had, nothing is lost (O1, R2, R6).

import assert from "node:assert/strict";
import { test } from "node:test";
import { PostgresLog } from "../../lib/remote/postgres-log.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { S3Fixture } from "../remote/s3-fixture.ts";
import { TcpProxy } from "../remote/tcp-proxy.ts";
import { trySync, workOn } from "./production.ts";
import { assertSynced, SharedMachine } from "./shared-machine.ts";

const s3 = new S3Fixture();

interface Cluster {
  readonly machines: readonly [SharedMachine, SharedMachine];
  readonly standby: PostgresServer;
  /** Resolves when the standby has all that was committed. */
  untilCaughtUp(): Promise<void>;
  /** The first server crashes, and the standby is where it was. */
  failOver(): Promise<void>;
  promote(): Promise<void>;
}

async function withCluster(work: (cluster: Cluster) => Promise<void>): Promise<void> {
  const primary = await PostgresServer.make("debian");
  let standby: PostgresServer | undefined;
  let proxy: TcpProxy | undefined;
  const logs: PostgresLog[] = [];
  const machines: SharedMachine[] = [];
  try {
    standby = await primary.makeStandby();
    proxy = await TcpProxy.make(primary.port);
    const url = primary.url(await primary.makeDatabase(), { port: proxy.port });
    const remote = s3.makeRemote();
    for (const name of ["alice", "bob"]) {
      const log = new PostgresLog(url, { isNew: true });
      logs.push(log);
      machines.push(await SharedMachine.make(name, log, s3.openBare(remote)));
    }
    const [second, way] = [standby, proxy];
    await work({
      machines: machines as [SharedMachine, SharedMachine],
      standby,
      untilCaughtUp: async () => {
        const [row] = await primary.run("postgres", "SELECT pg_current_wal_lsn() AS lsn");
        const question = `SELECT pg_last_wal_replay_lsn() >= '${row?.lsn}' AS has`;
        while ((await second.run("postgres", question))[0]?.has !== true);
      },
      failOver: async () => {
        await primary.stop("SIGQUIT");
        way.serverPort = second.port;
        way.cut();
      },
      promote: async () => {
        await second.run("postgres", "SELECT pg_promote()");
      },
    });
  } finally {
    for (const machine of machines) {
      await machine.remoteBlobs.close();
      machine.take();
    }
    for (const log of logs) await log.close();
    await proxy?.close();
    await standby?.remove();
    await primary.remove();
  }
}

/** What comes of it on a connection that was made now. */
async function syncAnew(machine: SharedMachine): Promise<string | undefined> {
  let code = await trySync(machine);
  for (let tries = 0; code === "UNAVAILABLE" && tries < 10; tries++) code = await trySync(machine);
  return code;
}

test("failover, PostgreSQL, O1, R2, R6: a hot standby takes over, is read from, and takes what waits once it is promoted", () =>
  withCluster(async ({ machines, untilCaughtUp, failOver, promote }) => {
    const [a, b] = machines;
    workOn(a, 1);
    await a.sync();
    await untilCaughtUp();
    await failOver();
    for (const machine of machines) {
      workOn(machine, 2);
      assert.equal(await syncAnew(machine), "READ_ONLY");
      assert.ok(machine.outboxRows > 0);
    }
    assert.ok(b.find("alice/new-1.md") !== undefined, "b has pulled");
    await promote();
    for (const machine of machines) assert.equal(await syncAnew(machine), undefined);
    workOn(b, 3);
    await assertSynced(machines);
  }));

test("failover, PostgreSQL, R6: a standby that lacks what was acknowledged last is told from the first one, and nothing is taken from it or put there", () =>
  withCluster(async ({ machines, standby, untilCaughtUp, failOver, promote }) => {
    const [a, b] = machines;
    workOn(a, 1);
    await a.sync();
    await untilCaughtUp();
    await standby.stop("SIGQUIT");
    workOn(a, 2);
    for (const machine of machines) await machine.sync();
    await standby.start();
    await failOver();
    await promote();
    // Whoever has not seen what was lost could take it to be whole: here are only those who have.
    for (const machine of machines) {
      workOn(machine, 3);
      const [before, waiting] = [machine.files(), machine.outboxRows];
      assert.equal(await syncAnew(machine), "STORE_DAMAGED");
      assert.deepEqual(machine.files(), before);
      assert.equal(machine.outboxRows, waiting);
    }
    assert.ok(b.find("alice/new-2.md") !== undefined);
  }));
