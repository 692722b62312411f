// Machines that share a book, and a PostgreSQL that goes away, comes back, takes no changes or says nothing at all: whatever a
// sync was cut off at, the next ones go on, and in the end both machines and the remote are as if nothing had been (O1, R2, R6).

import assert from "node:assert/strict";
import { test } from "node:test";
import { faultAtEach, type Met, Production, trySync, workOn, workWithout } from "./production.ts";

const production = new Production();

/** Cuts the connection at each word of one side. */
function cutAtEach(side: "onRequest" | "onAnswer"): Promise<Met> {
  const { proxy } = production;
  return faultAtEach(production, (isTurn) => {
    proxy[side] = () => {
      if (isTurn()) proxy.cut();
    };
    return () => {
      proxy[side] = undefined;
    };
  });
}

test("faults, PostgreSQL, O1, R2, R6: the connection is cut before each thing that is asked", async () => {
  const { failed } = await cutAtEach("onRequest");
  assert.ok(failed > 10, `${failed} syncs have failed`);
});

test("faults, PostgreSQL, O1, R2, R6: the connection is cut before each answer, of what may have been done", async () => {
  const { failed } = await cutAtEach("onAnswer");
  assert.ok(failed > 10, `${failed} syncs have failed`);
});

for (const [title, signal] of [
  ["crashes", "SIGQUIT"],
  ["is stopped", "SIGINT"],
] as const)
  test(`faults, PostgreSQL, O1, R2, R6: the server ${title} at some step, also of a transaction, and is started again`, async () => {
    const { postgres, proxy } = production;
    await production.withPair(async (a, b) => {
      let failed = 0;
      for (let at = 1; at <= 12; at++) {
        const machine = at % 2 === 0 ? a : b;
        workOn(machine, at);
        let count = 0;
        let stopping: Promise<void> | undefined;
        proxy.onAnswer = () => {
          if (++count === at) stopping = postgres.stop(signal);
        };
        const code = await trySync(machine);
        proxy.onAnswer = undefined;
        await stopping;
        if (stopping !== undefined) await postgres.start();
        assert.ok(code === undefined || code === "UNAVAILABLE", code);
        if (code !== undefined) failed++;
      }
      assert.ok(failed > 5, `${failed} syncs have failed`);
    });
  });

test("faults, PostgreSQL, O1, R2, R6: a slow drip: answers that come a few bytes at a time are what they are", async () => {
  await production.withPair(async (a, b) => {
    production.proxy.dripBytes = 5;
    try {
      for (let round = 1; round < 4; round++) {
        for (const machine of [a, b]) {
          workOn(machine, round);
          assert.equal(await trySync(machine), undefined);
        }
      }
    } finally {
      production.proxy.dripBytes = undefined;
    }
  });
});

test("faults, PostgreSQL, O1, R2, R6: after a failover to a server that may only be read, what others did is pulled and nothing is lost", async () => {
  const { postgres, proxy, database } = production;
  await production.withPair(async (a, b) => {
    workOn(a, 1);
    await a.sync();
    await postgres.run("postgres", `ALTER DATABASE ${database} SET default_transaction_read_only = on`);
    proxy.cut();
    try {
      for (const machine of [a, b]) {
        workOn(machine, 2);
        let code = await trySync(machine);
        // Of a connection that was made before.
        for (let tries = 0; code === "UNAVAILABLE" && tries < 10; tries++) code = await trySync(machine);
        assert.equal(code, "READ_ONLY");
        assert.ok(machine.outboxRows > 0);
      }
      assert.ok(b.find("alice/new-1.md") !== undefined, "b has pulled");
    } finally {
      await postgres.run("postgres", `ALTER DATABASE ${database} RESET default_transaction_read_only`);
      proxy.cut();
    }
  });
});

test("faults, PostgreSQL, O1, R2, R6: connections are refused; work goes on, and drains when they are not", async () => {
  await workWithout(production, production.postgres);
});

test("faults, PostgreSQL, O1, R2, R6: a server that says nothing any more is given up", async () => {
  const { proxy } = production;
  await production.withPair(async (a, b) => {
    for (const [index, machine] of [a, b].entries()) {
      workOn(machine, 1);
      let count = 0;
      proxy.onAnswer = () => {
        if (++count === 5 + index * 2) proxy.fallSilent();
      };
      assert.equal(await trySync(machine), "UNAVAILABLE");
      proxy.onAnswer = undefined;
      proxy.speak();
      proxy.cut();
    }
  });
});
