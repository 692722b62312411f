// The memory of what is sent to S3 as a stream: one after another uses the same, but not that of a request that failed.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { filePieces } from "../../lib/file-pieces.ts";
import type { BlobSource } from "../../lib/remote/remote-blobs.ts";
import { S3Blobs } from "../../lib/remote/s3-blobs.ts";
import type { SpareMemory } from "../../lib/spare-memory.ts";
import { resetConnection } from "./reset-connection.ts";
import { setS3Credentials } from "./s3-server.ts";
import { bytesOf, hashOf } from "./sources.ts";

const SIZE_BYTES = 3_000_000;
const RING_BYTES = 512 * 1024;

interface Server {
  readonly blobs: S3Blobs;
  /** Hashes of what was received. */
  readonly received: string[];
  /** How many bodies that come now are cut off in their middle. */
  cuts: number;
}

async function withServer(use: (server: Server, directory: string) => Promise<void>): Promise<void> {
  setS3Credentials();
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const take = async (request: IncomingMessage, answer: ServerResponse): Promise<void> => {
    if (request.method !== "PUT") {
      answer.writeHead(404).end();
      return;
    }
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) {
      pieces.push(piece);
      if (place.cuts === 0) continue;
      place.cuts--;
      resetConnection(request.socket);
      return;
    }
    place.received.push(hashOf(Buffer.concat(pieces)));
    answer.writeHead(200).end();
  };
  const server = createServer((request, answer) => void take(request, answer));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const location = { type: "s3", bucket: "books", prefix: "", region: "auto" } as const;
  const uploadsDirectory = join(directory, "uploads");
  const blobs = new S3Blobs({ ...location, endpoint: `http://127.0.0.1:${port}`, uploadsDirectory });
  const place: Server = { blobs, received: [], cuts: 0 };
  try {
    await use(place, directory);
  } finally {
    await blobs.close();
    server.closeAllConnections();
    server.close();
    rmSync(directory, { recursive: true });
  }
}

/** A file, and the memories of others that it was read in. */
function fileIn(directory: string, seed: number, memories: Set<SpareMemory>): BlobSource {
  const path = join(directory, `${seed}`);
  const bytes = bytesOf(SIZE_BYTES, seed);
  writeFileSync(path, bytes);
  return {
    hash: hashOf(bytes),
    sizeBytes: SIZE_BYTES,
    read: (start = 0, end = SIZE_BYTES, memory) => {
      if (memory !== undefined) memories.add(memory);
      return filePieces(path, start, end, memory);
    },
  };
}

/** Tells how many buffers for bodies were made since. */
function countRings(context: TestContext): () => number {
  const made = context.mock.method(Buffer, "allocUnsafeSlow").mock;
  return () => made.calls.filter(({ arguments: [bytes] }) => bytes === RING_BYTES).length;
}

test("s3: what is too short for parts is read and sent in the same memory, one file after another", async (context) => {
  await withServer(async ({ blobs, received }, directory) => {
    const rings = countRings(context);
    const memories = new Set<SpareMemory>();
    const files = [1, 2, 3, 4, 5].map((seed) => fileIn(directory, seed, memories));
    for (const file of files) assert.equal(await blobs.put(file), "stored");
    assert.deepEqual([rings(), memories.size], [1, 1]);
    // At once each has its own, of which no more are kept than upload parts need.
    const others = [6, 7, 8, 9, 10, 11].map((seed) => fileIn(directory, seed, memories));
    await Promise.all(others.map(async (file) => await blobs.put(file)));
    const most = rings();
    assert.ok(most <= 6, `${most}`);
    assert.deepEqual(received.toSorted(), [...files, ...others].map(({ hash }) => hash).toSorted());
  });
});

test("s3: the memory of a request that failed is not used again, as bytes may still be on their way", async (context) => {
  await withServer(async (server, directory) => {
    const { blobs, received } = server;
    const rings = countRings(context);
    const [first, second, third] = [1, 2, 3].map((seed) => fileIn(directory, seed, new Set()));
    assert.ok(first && second && third);
    server.cuts = 1;
    await assert.rejects(blobs.put(first), { code: "UNAVAILABLE" });
    assert.equal(rings(), 1);
    for (const file of [second, third]) assert.equal(await blobs.put(file), "stored");
    assert.equal(rings(), 2);
    assert.deepEqual(received, [second.hash, third.hash]);
  });
});
