// SC-003 between machines: eight daemons with stores of their own race on one lesson, on PostgreSQL and S3.

import assert from "node:assert/strict";
import { test } from "node:test";
import { raceStrictly, withStrict } from "../daemon/strict-race.ts";
import { PostgresServer } from "../remote/postgres-server.ts";
import { startS3Server } from "../remote/s3-server.ts";

const ROUNDS = 250;
const NAMES = ["a", "b", "c", "d", "e", "f", "g", "h"].map((name) => `agent-${name}`);

test(`SC-003: eight daemons race on a lesson in strict mounts for ${ROUNDS} rounds: exactly one winner each, all converge, nothing is lost`, async (t) => {
  const postgres = await PostgresServer.make("embedded");
  const s3 = await startS3Server();
  try {
    const database = await postgres.makeDatabase();
    const urls = [`postgres://pfs@127.0.0.1:${postgres.port}/${database}`, s3.urlOf("strict")];
    await withStrict(
      NAMES,
      async () => urls,
      async (places) => {
        const startedMs = performance.now();
        const losses = await raceStrictly(places, ROUNDS);
        t.diagnostic(`${JSON.stringify(losses)} in ${Math.round((performance.now() - startedMs) / 1000)} s`);
        assert.equal(losses.refused, ROUNDS * (NAMES.length - 1));
        for (const place of places) await place.pfs("verify");
        await places[0]?.pfs("verify", "--remote", "my-book");
      },
    );
  } finally {
    await s3.stop();
    await postgres.remove();
  }
});
