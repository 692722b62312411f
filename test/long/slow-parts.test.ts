// An S3 that takes long for each part: what waits for its turn is not given up for that, however long, nor is a read beside it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { blobOperations } from "../../lib/remote/remote-blobs.ts";
import { withTimeouts } from "../../lib/remote/with-timeouts.ts";
import { PART_BYTES, S3PartServer } from "../remote/s3-part-server.ts";
import { bytesOf, collect, hashOf, sourceOf } from "../remote/sources.ts";

/** Longer than a connection may take. */
const ANSWER_MS = 15_000;
/** Longer than an answer takes, and far less than the last object waits. */
const SLOW_MS = 25_000;

test("s3: eight objects of three parts, each answered after 15 s, all arrive; a lesson is read meanwhile", async () => {
  const answerFor = async (): Promise<number> => {
    await sleep(ANSWER_MS);
    return 200;
  };
  await S3PartServer.with(answerFor, async (bare, server) => {
    const blobs = withTimeouts(bare, blobOperations, { remoteName: "The remote", slowMs: SLOW_MS });
    const sources = Array.from({ length: 8 }, (_, seed) => sourceOf(bytesOf(3 * PART_BYTES, seed)));
    const puts = Promise.all(sources.map(async (source) => await blobs.put(source)));
    // Every object has begun.
    while (server.underWay.size < 4) await sleep(10);
    await sleep(2000);
    assert.ok((await collect(blobs.get(hashOf(server.object)))).equals(server.object));
    assert.deepEqual([...new Set(await puts)], ["stored"]);
    assert.equal(server.taken.length, 24);
  });
});
