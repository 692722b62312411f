// Many long objects that are sent to S3 at once: how many parts are under way, and what else goes on meanwhile.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { isUnavailable } from "./remote-failure.ts";
import { PART_BYTES, S3PartServer } from "./s3-part-server.ts";
import { bytesOf, collect, hashOf, sourceOf } from "./sources.ts";

const PARTS = 3;
const objects = Array.from({ length: 6 }, (_, seed) => bytesOf(PARTS * PART_BYTES, seed));
const partsOf = (bytes: Buffer) =>
  Array.from({ length: PARTS }, (_, at) =>
    createHash("md5")
      .update(bytes.subarray(at * PART_BYTES, (at + 1) * PART_BYTES))
      .digest("base64"),
  );

test("s3: of all objects together four parts are under way, and a read does not wait for them", async () => {
  const isLetGo = Promise.withResolvers<void>();
  const answerFor = async (): Promise<number> => {
    await isLetGo.promise;
    return 200;
  };
  await S3PartServer.with(answerFor, async (blobs, server) => {
    const puts = Promise.all(objects.map(async (bytes) => await blobs.put(sourceOf(bytes))));
    while (server.underWay.size < 4) await sleep(10);
    for (let round = 0; round < 3; round++)
      assert.ok((await collect(blobs.get(hashOf(server.object)))).equals(server.object));
    assert.equal(server.underWay.size, 4);
    isLetGo.resolve();
    assert.deepEqual([...new Set(await puts)], ["stored"]);
    assert.equal(server.mostAtOnce, 4);
    assert.deepEqual(server.taken.toSorted(), objects.flatMap(partsOf).toSorted());
  });
});

test("s3: a put of which a part failed sends none of those that wait, and whoever is next has their turns", async () => {
  const [failing, slow, last] = [bytesOf(20 * PART_BYTES, 7), ...objects.slice(0, 2)] as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const isLetGo = Promise.withResolvers<void>();
  const asked: string[] = [];
  const answerFor = async (part: string): Promise<number> => {
    asked.push(part);
    if (part.startsWith(hashOf(failing))) return 500;
    await isLetGo.promise;
    return 200;
  };
  await S3PartServer.with(answerFor, async (blobs, server) => {
    const puts = [blobs.put(sourceOf(slow))];
    while (server.underWay.size < PARTS) await sleep(10);
    await assert.rejects(blobs.put(sourceOf(failing)), isUnavailable(/answered 500/, true));
    assert.equal(asked.length, PARTS + 1);
    puts.push(blobs.put(sourceOf(last)));
    while (server.underWay.size < 4) await sleep(10);
    isLetGo.resolve();
    assert.deepEqual(await Promise.all(puts), ["stored", "stored"]);
    assert.deepEqual(server.taken.toSorted(), [slow, last].flatMap(partsOf).toSorted());
  });
});
