// Two machines whose book is shared in PostgreSQL and S3, each by way of a proxy, for the tests of what networks and servers do.

import assert from "node:assert/strict";
import { after, before } from "node:test";
import { PostgresLog } from "../../lib/remote/postgres-log.ts";
import { type RemoteLog, sharedLogOperations } from "../../lib/remote/remote-log.ts";
import { withTimeouts } from "../../lib/remote/with-timeouts.ts";
import { PfsError } from "../../schema/errors.ts";
import { PLAIN_RENAME } from "../lib/book-fixture.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { S3Fixture } from "../remote/s3-fixture.ts";
import { TcpProxy } from "../remote/tcp-proxy.ts";
import { assertSynced, SharedMachine } from "./shared-machine.ts";

/** Milliseconds: nothing waits for a silent database as long as one would in real life. */
const ANSWER_MS = 3000;

export class Production {
  readonly s3 = new S3Fixture();
  postgres!: PostgresServer;
  /** Before PostgreSQL. */
  proxy!: TcpProxy;
  database = "";
  /** URL of the blobs of the pair. */
  blobsUrl = "";

  /** Servers are started before the file's tests, and stopped after them. */
  constructor() {
    before(async () => {
      this.postgres = await PostgresServer.make("embedded");
      this.database = await this.postgres.makeDatabase();
      this.proxy = await TcpProxy.make(this.postgres.port);
    });
    after(async () => {
      await this.proxy.close();
      await this.postgres.remove();
    });
  }

  /** Two machines on a remote that is new, with nothing that tries again; at the end all must be as it has to be. */
  async withPair(work: (a: SharedMachine, b: SharedMachine) => Promise<void>): Promise<void> {
    await this.postgres.run(this.database, "DROP SCHEMA IF EXISTS pfs CASCADE");
    const remote = this.s3.makeRemote();
    this.blobsUrl = remote.url;
    const machines: SharedMachine[] = [];
    const logs: RemoteLog[] = [];
    try {
      for (const name of ["alice", "bob"]) {
        const bare = new PostgresLog(this.postgres.url(this.database, { port: this.proxy.port }), {
          isNew: true,
        });
        logs.push(bare);
        const limits = { remoteName: "The remote", quickMs: ANSWER_MS, slowMs: ANSWER_MS };
        const log = withTimeouts(bare, sharedLogOperations, limits);
        machines.push(await SharedMachine.make(name, log, this.s3.openBare(remote)));
      }
      const [a, b] = machines as [SharedMachine, SharedMachine];
      await work(a, b);
      await assertSynced(machines);
    } finally {
      for (const machine of machines) {
        await machine.remoteBlobs.close();
        machine.take();
      }
      for (const log of logs) await log.close();
    }
  }
}

const LINES = ["# A lesson", "", "one", "", "two", "", "three", ""];

/** A lesson with a line of each of the two machines. */
export function lesson(mine: string, theirs: string): string {
  return LINES.with(2, mine).with(6, theirs).join("\n");
}

/** Work of a machine that has something of all that a sync does: new bytes, a rename, a delete, a file again and again. */
export function workOn(machine: SharedMachine, round: number): void {
  const own = machine.actor.agent;
  machine.save(`${own}/new-${round}.md`, `${own} ${round}`);
  machine.save(`${own}/same.md`, `${own} has changed it ${round} times`);
  if (machine.find(`${own}/moves-${round - 1}.md`) === undefined)
    machine.save(`${own}/moves-${round}.md`, own);
  else
    machine.rename(`${own}/moves-${round - 1}.md`, `${own}/moves-${round}.md`, PLAIN_RENAME, machine.actor);
  if (machine.find(`${own}/new-${round - 2}.md`) !== undefined)
    machine.unlink(`${own}/new-${round - 2}.md`, machine.actor);
  for (const each of machine.library.openWorktrees()) each.settle(0);
}

/** A sync that may fail as the remote does, and in no other way. @returns the code; undefined when it went well */
export async function trySync(machine: SharedMachine): Promise<string | undefined> {
  return await codeOf(() => machine.sync());
}

async function codeOf(work: () => Promise<void>): Promise<string | undefined> {
  const [outcome] = await Promise.allSettled([work()]);
  if (outcome.status === "fulfilled") return undefined;
  assert.ok(outcome.reason instanceof PfsError, String(outcome.reason?.stack));
  return outcome.reason.code;
}

/** Of a lesson that both edit, each a line of its own, so that they are merged; the bytes for that are on the remote. */
const TOGETHER = "together.md";

/** Work of a machine on what the other one has made and changes, too; nothing is in the way of it. */
async function workTogether(machine: SharedMachine, round: number): Promise<void> {
  await machine.fetchAll();
  const at = machine.actor.agent === "alice" ? 2 : 6;
  const lines = machine.text(TOGETHER).split("\n");
  machine.save(TOGETHER, lines.with(at, `${machine.actor.agent} ${round}`).join("\n"));
  workOn(machine, round);
}

/** At how many things that were asked something happened, and how many of the syncs have failed. */
export interface Met {
  readonly hit: number;
  readonly failed: number;
}

/**
 * Both work, and something happens at the first thing that is asked, then at the second one, and so on, each in a sync of its own,
 * until one asks for no more.
 * @param arm is to ask `isTurn` at each thing that `machine` asks, and answers what takes it away again
 * @param withBytes each sync fetches bytes, too: what it merges, and all that the other one has sent
 * @param leastHits a test at which less happens has shown nothing
 */
export async function faultAtEach(
  production: Production,
  arm: (isTurn: () => boolean, machine: SharedMachine) => () => void,
  { withBytes = false, leastHits = 8 } = {},
): Promise<Met> {
  let failed = 0;
  let hit = 0;
  await production.withPair(async (a, b) => {
    a.save(TOGETHER, lesson("one", "two"));
    for (const machine of [a, b]) await machine.sync();
    await workTogether(a, 0);
    await a.sync();
    let wasHit = true;
    for (let at = 1; wasHit; at++) {
      const machine = at % 2 === 0 ? a : b;
      if (withBytes) await workTogether(machine, at);
      else workOn(machine, at);
      let count = 0;
      wasHit = false;
      const disarm = arm(() => {
        if (++count === at) wasHit = true;
        return count === at;
      }, machine);
      const code = await codeOf(async () => {
        await machine.sync();
        if (withBytes) await machine.fetchAll();
      });
      disarm();
      if (wasHit) hit++;
      if (code === undefined) continue;
      assert.equal(code, "UNAVAILABLE");
      failed++;
    }
    if (!withBytes) return;
    for (const machine of [a, b]) assert.deepEqual([...machine.worktree.conflicts.ids(0)], []);
    assert.ok(
      [a, b].some((machine) => machine.log().some(({ agent_id }) => agent_id.startsWith("merge:"))),
      "something was merged",
    );
  });
  assert.ok(hit >= leastHits, `something has happened ${hit} times`);
  return { hit, failed };
}

/** What a pair is without for a while. */
interface Needed {
  stop(): Promise<void>;
  start(): Promise<void>;
}

/** Both work while what they need refuses connections, which each sync says; at the end all drains. */
export async function workWithout(production: Production, needed: Needed): Promise<void> {
  await production.withPair(async (a, b) => {
    workOn(a, 1);
    await a.sync();
    await needed.stop();
    try {
      for (let round = 2; round < 5; round++) {
        for (const machine of [a, b]) {
          workOn(machine, round);
          assert.equal(await trySync(machine), "UNAVAILABLE");
        }
      }
    } finally {
      await needed.start();
    }
  });
}
