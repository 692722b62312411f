// Machines that share a book, and an S3 that does what bad networks and busy servers do: whatever a sync was cut off at, the next
// ones go on, and in the end both machines and the remote are as if nothing had been (O1, R2, R6).

import assert from "node:assert/strict";
import { test } from "node:test";
import { openRemoteBlobs } from "../../lib/remote/open-remote-blobs.ts";
import { blobOperations } from "../../lib/remote/remote-blobs.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { withTimeouts } from "../../lib/remote/with-timeouts.ts";
import type { HttpFault, ProxiedRequest } from "../remote/http-fault-proxy.ts";
import { bytesOf } from "../remote/sources.ts";
import {
  faultAtEach,
  lesson,
  type Met,
  Production,
  trySync,
  workOn,
  workWithout,
} from "../sync/production.ts";

const production = new Production();

function answerOf(status: number, code: string): HttpFault {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>Said so.</Message></Error>`;
  return { type: "status", status, headers: { "content-type": "application/xml" }, body };
}

function isPut({ method }: ProxiedRequest): boolean {
  return method === "PUT";
}

function isGet({ method }: ProxiedRequest): boolean {
  return method === "GET";
}

/** Of a machine that waits for what will never come. */
const IMPATIENT = { remoteName: "The remote", quickMs: 500, slowMs: 500 };

/** Of what nobody answers nobody waits long. */
function faultAtEachRequest(
  fault: HttpFault,
  leastHits: number,
  isMeant: typeof isPut = () => true,
): Promise<Met> {
  return faultAtEach(
    production,
    (isTurn, machine) => {
      production.s3.proxy.plan = (request) => (isMeant(request) && isTurn() ? fault : undefined);
      const patient = machine.remoteBlobs;
      if (fault.type === "silence") machine.remoteBlobs = withTimeouts(patient, blobOperations, IMPATIENT);
      return () => {
        machine.remoteBlobs = patient;
        production.s3.proxy.plan = () => undefined;
      };
    },
    { withBytes: true, leastHits },
  );
}

for (const [title, fault] of [
  ["a reset in the middle of each request", { type: "reset-request", afterBytes: 1 }],
  ["an answer that is lost, of what was done", { type: "lose-answer" }],
  ["500", { type: "status", status: 500 }],
  ["500 with Retry-After", { type: "status", status: 500, headers: { "retry-after": "1" } }],
  ["503", { type: "status", status: 503 }],
  ["503 with Retry-After", { type: "status", status: 503, headers: { "retry-after": "1" } }],
  ["429", { type: "status", status: 429 }],
  ["429 with Retry-After", { type: "status", status: 429, headers: { "retry-after": "1" } }],
  ["a server that never answers", { type: "silence" }],
] as const)
  test(`faults, S3, O1, R2, R6: ${title}`, async () => {
    const { hit, failed } = await faultAtEachRequest(fault, 8);
    assert.equal(failed, hit, "each of them has failed");
  });

test("faults, S3, O1, R2, R6: a reset in the middle of each answer: those that have a body fail", async () => {
  const { hit, failed } = await faultAtEachRequest({ type: "reset-answer", afterBytes: 3 }, 5);
  assert.ok(failed > 1, `${failed} of ${hit} syncs have failed`);
});

test("faults, S3, O1, R2, R6: a slow drip of each answer: no sync fails", async () => {
  assert.equal((await faultAtEachRequest({ type: "drip", pieces: 4, pauseMs: 2 }, 8)).failed, 0);
});

test("faults, S3, O1, R2, R6: wrong bytes in each answer that has any: they are not taken, but asked for again", async () => {
  assert.equal((await faultAtEachRequest({ type: "wrong-bytes" }, 3, isGet)).failed, 0);
});

test("faults, S3, O1, R2, R6: connections are refused; work goes on, and drains when they are not", async () => {
  const { proxy } = production.s3;
  await workWithout(production, { stop: () => proxy.refuse(), start: () => proxy.accept() });
});

for (const [title, fault, code, isMeant] of [
  ["expired credentials", answerOf(400, "ExpiredToken"), "UNAVAILABLE", () => true],
  ["refused credentials", answerOf(403, "AccessDenied"), "UNAVAILABLE", () => true],
  ["a full bucket", answerOf(507, "XMinioStorageFull"), "FULL", isPut],
  ["a bucket that may only be read", answerOf(403, "AccessDenied"), "UNAVAILABLE", isPut],
] as const) {
  test(`faults, S3, O1, R2, R6: ${title}: what others have pushed is not kept from anybody, and what waits is sent when that is over`, async () => {
    await production.withPair(async (a, b) => {
      workOn(a, 1);
      await a.sync();
      production.s3.proxy.plan = (request) => (isMeant(request) ? fault : undefined);
      for (const machine of [a, b]) {
        workOn(machine, 2);
        assert.equal(await trySync(machine), code);
        assert.ok(machine.outboxRows > 0);
      }
      assert.ok(b.find("alice/new-1.md") !== undefined, "b has pulled");
      production.s3.proxy.plan = () => undefined;
    });
  });
}

test("faults, S3, R2: bytes that come wrong are not taken, but asked for again: a merge that needs them is as clean as ever", async () => {
  await production.withPair(async (a, b) => {
    a.save("a.md", lesson("one", "two"));
    await a.sync();
    await b.sync();
    a.save("a.md", lesson("one", "alice's"));
    await a.sync();
    b.save("b.md", "b");
    b.save("a.md", lesson("bob's", "two"));
    production.s3.proxy.planNext([{ type: "wrong-bytes" }], ({ method }) => method === "GET");
    await b.sync();
    await a.sync();
    await a.fetchAll();
    assert.equal(a.text("a.md"), lesson("bob's", "alice's"));
  });
});

test("faults, S3, R2: a long file is cut off again and again, and arrives", async () => {
  await production.withPair(async (a, b) => {
    a.save("static/long.bin", bytesOf(11_000_000));
    for (const afterBytes of [1, 300_000, 2_000_000]) {
      production.s3.proxy.planNext([{ type: "reset-request", afterBytes }], isPut);
      assert.equal(await trySync(a), "UNAVAILABLE");
    }
    await a.sync();
    await b.sync();
  });
});

test("faults, S3, SC-010: a tenth of all requests has a fault, and everything succeeds at the first try", async () => {
  await production.withPair(async (a, b) => {
    const bare = [a.remoteBlobs, b.remoteBlobs];
    for (const machine of [a, b]) {
      machine.remoteBlobs = await openRemoteBlobs(production.blobsUrl, {
        uploadsDirectory: `${machine.directory}/uploads`,
        counters: new RemoteCounters(),
        retry: { policy: { attempts: 20, firstDelayMs: 1, longestDelayMs: 5 } },
      });
    }
    let count = 0;
    const faults: HttpFault[] = [
      { type: "reset-request", afterBytes: 1 },
      { type: "lose-answer" },
      { type: "status", status: 503, headers: { "retry-after": "0" } },
      { type: "reset-answer", afterBytes: 0 },
    ];
    production.s3.proxy.plan = () => (++count % 10 === 0 ? faults[(count / 10) % faults.length] : undefined);
    for (let round = 1; round < 8; round++) {
      for (const machine of [a, b]) {
        workOn(machine, round);
        await machine.sync();
      }
    }
    assert.ok(count > 50, `${count} requests`);
    production.s3.proxy.plan = () => undefined;
    for (const each of bare) await each.close();
  });
});
