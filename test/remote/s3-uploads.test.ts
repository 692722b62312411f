// Long objects in S3: sent in parts, resumed by another process, aborted when nobody goes on with them.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { CreateMultipartUploadCommand, S3Client, UploadPartCommand } from "@aws-sdk/client-s3";
import { S3Blobs } from "../../lib/remote/s3-blobs.ts";
import type { ProxiedRequest } from "./http-fault-proxy.ts";
import { isUnavailable } from "./remote-failure.ts";
import { PART_BYTES, S3Fixture } from "./s3-fixture.ts";
import { bytesOf, collect, sourceOf } from "./sources.ts";

const s3 = new S3Fixture();
const isPart = ({ method, url }: ProxiedRequest) => method === "PUT" && url.includes("partNumber=");
const isComplete = ({ method, url }: ProxiedRequest) => method === "POST" && url.includes("uploadId=");

/** How often each part was sent, of the requests from `from` on. */
function countParts(from: number): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { url } of s3.proxy.requests.slice(from).filter(isPart)) {
    const number = /partNumber=(\d+)/.exec(url)?.[1] ?? "";
    counts[number] = (counts[number] ?? 0) + 1;
  }
  return counts;
}

test("s3: what is long is sent in parts, once each, and comes back as it was", async () => {
  await s3.withBlobs(async (blobs, { uploadsDirectory }) => {
    const from = s3.proxy.requests.length;
    const bytes = bytesOf(PART_BYTES + 1000);
    const source = sourceOf(bytes, 1024 * 1024);
    assert.equal(await blobs.put(source), "stored");
    assert.deepEqual(countParts(from), { 1: 1, 2: 1 });
    assert.equal(await blobs.put(source), "present");
    assert.deepEqual(countParts(from), { 1: 1, 2: 1 });
    assert.ok((await collect(blobs.get(source.hash))).equals(bytes));
    assert.deepEqual(readdirSync(uploadsDirectory), []);
  });
});

test("s3: from 16 MiB on an object is sent in parts, one byte less at once", async () => {
  const { location, uploadsDirectory } = s3.makeRemote();
  const blobs = new S3Blobs({ ...location, uploadsDirectory });
  try {
    for (const [sizeBytes, parts] of [
      [16 * 1024 * 1024 - 1, {}],
      [16 * 1024 * 1024, { 1: 1 }],
      [16 * 1024 * 1024 + 1, { 1: 1, 2: 1 }],
    ] as const) {
      const from = s3.proxy.requests.length;
      assert.equal(await blobs.put(sourceOf(bytesOf(sizeBytes), 1024 * 1024)), "stored");
      assert.deepEqual(countParts(from), parts, `${sizeBytes} bytes`);
    }
  } finally {
    await blobs.close();
  }
});

test("s3: an upload that was cut off goes on in another process, and sends no part twice", async () => {
  await s3.withBlobs(async (blobs, remote) => {
    const { uploadsDirectory } = remote;
    const bytes = bytesOf(2 * PART_BYTES, 2);
    const source = sourceOf(bytes, 1024 * 1024);
    s3.proxy.planNext([{ type: "reset-request", afterBytes: 500_000 }], ({ url }) =>
      url.includes("partNumber=2"),
    );
    await assert.rejects(blobs.put(source), isUnavailable(/cannot be reached: (ECONNRESET|EPIPE)\./, true));
    const from = s3.proxy.requests.length;
    const other = s3.openBare(remote);
    assert.equal(await other.put(source), "stored");
    await other.close();
    assert.deepEqual(countParts(from), { 2: 1 });
    assert.ok((await collect(blobs.get(source.hash))).equals(bytes));
    assert.deepEqual(readdirSync(uploadsDirectory), []);
  });
});

test("s3: O1: an upload whose completion was not answered is found complete", async () => {
  await s3.withBlobs(async (blobs, { uploadsDirectory }) => {
    const source = sourceOf(bytesOf(PART_BYTES, 3), 1024 * 1024);
    s3.proxy.planNext([{ type: "lose-answer" }], isComplete);
    await assert.rejects(blobs.put(source), isUnavailable(/cannot be reached: ECONNRESET\./, true));
    const from = s3.proxy.requests.length;
    assert.equal(await blobs.put(source), "present");
    assert.deepEqual(countParts(from), {});
    assert.deepEqual(readdirSync(uploadsDirectory), []);
  });
});

test("s3: an upload that the server has forgotten begins anew; half a note is none", async () => {
  await s3.withBlobs(async (blobs, { uploadsDirectory }) => {
    const bytes = bytesOf(PART_BYTES + 5, 4);
    const source = sourceOf(bytes, 1024 * 1024);
    s3.proxy.planNext([{ type: "reset-request", afterBytes: 0 }], ({ url }) => url.includes("partNumber=2"));
    await assert.rejects(blobs.put(source));
    const [name = ""] = readdirSync(uploadsDirectory);
    const path = join(uploadsDirectory, name);
    const note = JSON.parse(readFileSync(path, "utf8"));
    writeFileSync(path, JSON.stringify({ ...note, uploadId: "never-begun" }));
    await assert.rejects(blobs.put(source), isUnavailable(/has forgotten an upload/, true));
    assert.deepEqual(readdirSync(uploadsDirectory), []);
    writeFileSync(path, JSON.stringify(note).slice(0, -20));
    assert.equal(await blobs.put(source), "stored");
    assert.ok((await collect(blobs.get(source.hash))).equals(bytes));
  });
});

test("s3: an upload that nobody went on with for a week is aborted", async () => {
  await s3.withBlobs(async (blobs, remote) => {
    const { uploadsDirectory } = remote;
    const source = sourceOf(bytesOf(PART_BYTES + 5, 5), 1024 * 1024);
    s3.proxy.planNext([{ type: "reset-request", afterBytes: 0 }], ({ url }) => url.includes("partNumber=2"));
    await assert.rejects(blobs.put(source));
    const [name = ""] = readdirSync(uploadsDirectory);
    const path = join(uploadsDirectory, name);
    const note = JSON.parse(readFileSync(path, "utf8"));
    const startedAt = new Date(Date.now() - 8 * 24 * 3600 * 1000).toISOString();
    writeFileSync(path, JSON.stringify({ ...note, startedAt }));
    const from = s3.proxy.requests.length;
    const other = s3.openBare(remote);
    assert.equal(await other.put(sourceOf(bytesOf(PART_BYTES, 6), 1024 * 1024)), "stored");
    await other.close();
    const aborted = s3.proxy.requests.slice(from).filter(({ method }) => method === "DELETE");
    assert.equal(aborted.length, 1);
    assert.ok(aborted[0]?.url.includes(encodeURIComponent(note.uploadId)));
    assert.deepEqual(readdirSync(uploadsDirectory), []);
  });
});

test("s3: a note of another remote in the same directory is left alone", async () => {
  await s3.withBlobs(async (blobs, { uploadsDirectory }) => {
    mkdirSync(uploadsDirectory, { recursive: true });
    writeFileSync(join(uploadsDirectory, "other.json"), "{}");
    await blobs.put(sourceOf(bytesOf(PART_BYTES, 7), 1024 * 1024));
    assert.deepEqual(readdirSync(uploadsDirectory), ["other.json"]);
  });
});

const WEEK_MS = 7 * 24 * 3600 * 1000;

/** As S3 says it; this machine's server keeps no list. */
function listingOf(uploads: readonly { key: string; id: string; begunMs: number }[], next?: string): string {
  const items = uploads.map(
    ({ key, id, begunMs }) =>
      `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${new Date(begunMs).toISOString()}</Initiated></Upload>`,
  );
  const more =
    next === undefined
      ? "<IsTruncated>false</IsTruncated>"
      : `<IsTruncated>true</IsTruncated><NextKeyMarker>${next}</NextKeyMarker><NextUploadIdMarker>x</NextUploadIdMarker>`;
  return `<ListMultipartUploadsResult>${items.join("")}${more}</ListMultipartUploadsResult>`;
}

test("s3: uploads that any machine has begun too long ago are aborted, page by page; younger ones and those of others go on", async () => {
  await s3.withBlobs(async (blobs, { location }) => {
    const { endpoint, bucket: Bucket } = s3.server;
    const client = new S3Client({ endpoint, region: "auto", forcePathStyle: true });
    try {
      const begin = async (Key: string): Promise<{ key: string; id: string }> => {
        const { UploadId: id = "" } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
        return { key: Key, id };
      };
      const isThere = async ({ key: Key, id: UploadId }: { key: string; id: string }): Promise<boolean> =>
        await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: "x" })).then(
          () => true,
          (error: Error) => {
            assert.equal(error.name, "NoSuchUpload");
            return false;
          },
        );
      const prefix = `${location.prefix}blobs/`;
      const [old, older, young, foreign] = await Promise.all(
        [`${prefix}aa/1`, `${prefix}bb/2`, `${prefix}cc/3`, "elsewhere/4"].map(begin),
      );
      assert.ok(old && older && young && foreign);
      const now = Date.now();
      const uploads = [
        { ...old, begunMs: now - WEEK_MS - 1000 },
        { ...young, begunMs: now - WEEK_MS + 60_000 },
        { ...foreign, begunMs: now - 2 * WEEK_MS },
        { ...older, begunMs: now - 2 * WEEK_MS },
      ];
      s3.proxy.plan = ({ method, url }) => {
        if (method !== "GET" || !/[?&]uploads/.test(url)) return undefined;
        const isFirst = !url.includes("key-marker=");
        const body = isFirst ? listingOf(uploads.slice(0, 2), "marker") : listingOf(uploads.slice(2));
        return { type: "status", status: 200, body };
      };
      assert.equal(await blobs.abortUploads(now - WEEK_MS, true), 2);
      assert.deepEqual(await Promise.all([old, older].map(isThere)), [true, true]);
      assert.equal(await blobs.abortUploads(now - WEEK_MS, false), 2);
      assert.deepEqual(await Promise.all([old, older, young, foreign].map(isThere)), [
        false,
        false,
        true,
        true,
      ]);
      // Gone already, as another machine was quicker.
      assert.equal(await blobs.abortUploads(now - WEEK_MS, false), 2);
    } finally {
      client.destroy();
    }
  });
});

test("s3: a server that does not list uploads is said not to", async () => {
  await s3.withBlobs(async (blobs) => {
    assert.equal(await blobs.abortUploads(Date.now(), false), undefined);
  });
});
