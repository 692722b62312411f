// A server that reads what is sent to it more slowly than it is sent: bytes wait on their way, in memory that is used again.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { S3Blobs } from "../../lib/remote/s3-blobs.ts";
import { setS3Credentials } from "./s3-server.ts";
import { bytesOf, sourceOf } from "./sources.ts";

const MIB = 1024 * 1024;

/** Takes whatever is put, and stops to think now and then; `received` are the hashes of the bodies. */
async function take(request: IncomingMessage, answer: ServerResponse, received: string[]): Promise<void> {
  if (request.method !== "PUT") {
    answer.writeHead(404).end();
    return;
  }
  const digest = createHash("sha256");
  let unread = 0;
  for await (const piece of request as AsyncIterable<Buffer>) {
    digest.update(piece);
    unread += piece.byteLength;
    if (unread < MIB) continue;
    unread = 0;
    await sleep(3);
  }
  received.push(digest.digest("hex"));
  answer.writeHead(200, { etag: '"1"' }).end();
}

for (const pieceBytes of [1000, 65_537, 3 * MIB])
  test(`s3: a slow server gets every byte as it is, however it is cut: pieces of ${pieceBytes} bytes`, async () => {
    setS3Credentials();
    const received: string[] = [];
    const server = createServer((request, answer) => void take(request, answer, received));
    const uploadsDirectory = mkdtempSync(join(tmpdir(), "pfs-test-"));
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const location = { type: "s3", bucket: "books", prefix: "", region: "auto" } as const;
    const endpoint = `http://127.0.0.1:${port}`;
    const blobs = new S3Blobs({ ...location, endpoint, uploadsDirectory, partBytes: 64 * MIB });
    try {
      const source = sourceOf(bytesOf(24 * MIB), pieceBytes);
      assert.equal(await blobs.put(source), "stored");
      assert.deepEqual(received, [source.hash]);
    } finally {
      await blobs.close();
      server.closeAllConnections();
      server.close();
      rmSync(uploadsDirectory, { recursive: true });
    }
  });
