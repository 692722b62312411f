// SC-010: ten thousand operations of two machines on PostgreSQL and S3, of which one in twenty meets a fault, all succeed in the
// end, and the machines have the same. PFS_SEED repeats which calls meet one.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Decorator, decorate, type Operations } from "../../lib/remote/operations.ts";
import { blobOperations } from "../../lib/remote/remote-blobs.ts";
import { sharedLogOperations } from "../../lib/remote/remote-log.ts";
import { withRetry } from "../../lib/remote/with-retry.ts";

import { type HttpFault, PASSING_FAULTS } from "../remote/http-fault-proxy.ts";
import { seededRandom, takeSeed } from "../remote/random.ts";
import { seededPlan, withFaults } from "../remote/with-faults.ts";
import { Production, workOn } from "../sync/production.ts";

const OPERATIONS = 10_000;
const SHARE = 0.05;
const HTTP_FAULTS: readonly HttpFault[] = [...PASSING_FAULTS, { type: "drip", pieces: 3, pauseMs: 5 }];
/** So that ten thousand take a minute; how often it is tried is as always. */
const RETRY = { policy: { firstDelayMs: 5 } };

const production = new Production();

/** What was asked for, and what of it failed for good. */
const counts = { asked: 0, failed: [] as string[] };

/** Around everything else: an operation as whoever syncs sees it. */
function counted<Remote extends object>(remote: Remote, operations: Operations<Remote>): Remote {
  const failed = (name: string, error: unknown): void => {
    // That something is not there is an answer.
    if ((error as { code?: string }).code !== "NOT_FOUND") counts.failed.push(`${name}: ${error}`);
  };
  const decorator: Decorator = {
    async answer({ name, start }) {
      counts.asked++;
      try {
        return await start();
      } catch (error) {
        failed(name, error);
        throw error;
      }
    },
    async *stream({ name, start }) {
      counts.asked++;
      try {
        yield* start();
      } catch (error) {
        failed(name, error);
        throw error;
      }
    },
  };
  return decorate(remote, operations, decorator);
}

test("SC-010: 10,000 operations on PostgreSQL and S3, 5 % of which meet a fault, all succeed in the end", async (t) => {
  const seed = takeSeed();
  t.diagnostic(`seed ${seed}`);
  const random = seededRandom(seed);
  let httpFaults = 0;
  let logFaults = 0;
  const plan = seededPlan(seed, SHARE, ["before", "after", "slow"]);
  await production.withPair(async (a, b) => {
    production.s3.proxy.plan = () => {
      if (random() >= SHARE) return undefined;
      httpFaults++;
      return HTTP_FAULTS[Math.floor(random() * HTTP_FAULTS.length)];
    };
    for (const machine of [a, b]) {
      const log = withFaults(machine.remoteLog, sharedLogOperations, (name) => {
        const fault = plan(name);
        if (fault !== undefined) logFaults++;
        return fault;
      });
      machine.remoteLog = counted(withRetry(log, sharedLogOperations, RETRY), sharedLogOperations);
      const blobs = withRetry(machine.remoteBlobs, blobOperations, RETRY);
      machine.remoteBlobs = counted(blobs, blobOperations);
    }
    const startedMs = performance.now();
    for (let round = 0; counts.asked < OPERATIONS; round++) {
      for (const machine of [a, b]) workOn(machine, round);
      await Promise.all([a.sync(), b.sync()]);
    }
    production.s3.proxy.plan = () => undefined;
    const seconds = Math.round((performance.now() - startedMs) / 1000);
    t.diagnostic(
      `${counts.asked} operations in ${seconds} s, with ${httpFaults} faults of S3 and ${logFaults} of the log`,
    );
    assert.deepEqual(counts.failed, [], "SC-010: none failed");
    assert.ok(httpFaults > 100 && logFaults > 100, `${httpFaults} ${logFaults}`);
  });
});
