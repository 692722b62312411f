// The shared log in the PostgreSQL that Debian has: an older one, which has to do the same.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openRemoteLog } from "../../lib/remote/open-remote-log.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { isError } from "./log-fixture.ts";
import { testLogs } from "./log-suite.ts";
import { PostgresServer, suitePlaces } from "./postgres-server.ts";

let server: PostgresServer;
before(async () => {
  server = await PostgresServer.make("debian");
});
after(() => server.remove());

testLogs(
  "PostgreSQL of Debian",
  suitePlaces(() => server),
);

test("PostgreSQL of Debian: over TLS if the URL says so, to a server whose certificate is trusted only", async () => {
  await server.run("postgres", "CREATE DATABASE secure");
  const identify = async (parameters: string): Promise<string> => {
    const log = await openRemoteLog(`${server.url("secure")}${parameters}`, {
      counters: new RemoteCounters(),
      isNew: true,
    });
    try {
      return await log.identity();
    } finally {
      await log.close();
    }
  };
  await assert.rejects(identify(""), isError("UNAVAILABLE", /lets nobody in from here like this/));
  await assert.rejects(
    identify("?sslmode=require"),
    isError("UNAVAILABLE", /certificate that is not trusted/),
  );
  const identity = await identify(`?sslmode=require&sslrootcert=${server.certificate}`);
  assert.equal(await identify("?sslmode=no-verify"), identity);
});

test("PostgreSQL of Debian: it was Debian's that did it", async () => {
  const [row] = await server.run("postgres", "SELECT version()");
  assert.match(String(row?.version), /Debian/);
});
