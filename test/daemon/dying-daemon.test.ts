// A daemon that went away while it was asked, as one that was killed does: it is none, and its mount can be made anew.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findDaemon } from "../../daemon/daemon-client.ts";
import { SOCKET_NAME } from "../../daemon/store-socket.ts";

/** Something listens at a store's socket and ends each connection, so many of them. Answers what is found there. */
async function found(connections: number): Promise<unknown> {
  const store = mkdtempSync(join(tmpdir(), "pfs-test-"));
  let left = connections;
  const server = createServer((socket) => {
    socket.destroy();
    if (--left === 0) server.close();
  });
  try {
    await new Promise<void>((resolve) => server.listen(join(store, SOCKET_NAME), resolve));
    return await findDaemon(store);
  } finally {
    server.close();
    rmSync(store, { recursive: true });
  }
}

test("a daemon that ends while it is asked is none", async () => {
  assert.equal(await found(3), undefined);
});

test("what ends every connection is told of: it may be alive", async () => {
  await assert.rejects(found(Number.POSITIVE_INFINITY), { code: "DAEMON_UNREACHABLE" });
});
