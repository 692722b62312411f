// Blobs in S3, on Cloudflare's simulator of R2: what every remote does, and what is particular to S3.

import assert from "node:assert/strict";
import { test } from "node:test";
import { inspect } from "node:util";
import { HeadObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { RemoteError } from "../../lib/remote/remote-error.ts";
import { S3Blobs } from "../../lib/remote/s3-blobs.ts";
import { SECRETS } from "../secrets.ts";
import { testBlobs } from "./blobs-suite.ts";
import { isUnavailable } from "./remote-failure.ts";
import { S3Fixture } from "./s3-fixture.ts";
import { collect, sourceOf } from "./sources.ts";

const s3 = new S3Fixture();

testBlobs("s3", async () => {
  const remote = s3.makeRemote();
  return { open: async () => s3.openBare(remote), remove: async () => undefined };
});

test("s3: what is published has the type of its name and says its hash; what somebody else put there does not", async () => {
  await s3.withBlobs(async (blobs, { location: { bucket, prefix } }) => {
    const client = new S3Client({ endpoint: s3.server.endpoint, region: "auto", forcePathStyle: true });
    const source = sourceOf("# Größe\n");
    await blobs.put(source);
    const types = {
      "my-book/content/a.md": "text/markdown; charset=utf-8",
      "my-book/content/b.mdx": "text/mdx; charset=utf-8",
      "my-book/static/c.svg": "image/svg+xml; charset=utf-8",
      "my-book/static/d.PNG": "image/png",
      "my-book/static/e.mp4": "video/mp4",
      "my-book/static/f.json": "application/json; charset=utf-8",
      "my-book/static/LICENSE": "application/octet-stream",
    };
    for (const [name, type] of Object.entries(types)) {
      await blobs.publish({ name, hash: source.hash, sizeBytes: source.sizeBytes });
      const head = await client.send(
        new HeadObjectCommand({ Bucket: bucket, Key: `${prefix}books/${name}` }),
      );
      assert.equal(head.ContentType, type);
      assert.equal(head.Metadata?.["pfs-hash"], source.hash);
    }
    const name = "my-book/content/a.md";
    await client.send(
      new PutObjectCommand({ Bucket: bucket, Key: `${prefix}books/${name}`, Body: "# Grösse\n" }),
    );
    assert.deepEqual(await blobs.findPublished(name), { name, sizeBytes: 10, hash: undefined });
    client.destroy();
  });
});

test("s3: a name that is too long for S3 is refused in one sentence", async () => {
  await s3.withBlobs(async (blobs) => {
    const source = sourceOf("text");
    await blobs.put(source);
    const name = `my-book/${Array(5).fill("x".repeat(250)).join("/")}`;
    await assert.rejects(blobs.publish({ name, hash: source.hash, sizeBytes: 4 }), { code: "INVALID_PATH" });
  });
});

test("s3: a cold read is one request, so is a listing's page, and a small put", async () => {
  await s3.withBlobs(async (blobs) => {
    const source = sourceOf("a lesson");
    const requestsOf = async (work: () => Promise<unknown>) => {
      const from = s3.proxy.requests.length;
      await work();
      return s3.proxy.requests.slice(from).map(({ method }) => method);
    };
    assert.deepEqual(await requestsOf(() => blobs.put(source)), ["PUT"]);
    assert.deepEqual(await requestsOf(() => collect(blobs.get(source.hash))), ["GET"]);
    assert.deepEqual(await requestsOf(() => Array.fromAsync(blobs.list())), ["GET"]);
  });
});

test("s3: UNAVAILABLE: a bucket that is not there is no bucket without blobs", async () => {
  await s3.withBlobs(async (_, { location, uploadsDirectory }) => {
    const blobs = new S3Blobs({ ...location, bucket: "no-such-bucket", uploadsDirectory });
    const { hash } = sourceOf("a lesson");
    const isMissing = isUnavailable(
      /^The remote s3:\/\/no-such-bucket\/.+ at 127\.0\.0\.1:\d+ answered /,
      false,
    );
    await assert.rejects(collect(blobs.get(hash)), isMissing);
    await assert.rejects(blobs.put(sourceOf("a lesson")), isMissing);
    await assert.rejects(Array.fromAsync(blobs.list()), isMissing);
    await blobs.close();
  });
});

test("s3: no secret and no signature is in an error, however deep one looks", async () => {
  const secret = process.env.AWS_SECRET_ACCESS_KEY ?? "";
  assert.notEqual(secret, "");
  const keyId = process.env.AWS_ACCESS_KEY_ID ?? "";
  assert.ok(keyId.length > 16);
  process.env.AWS_SECRET_ACCESS_KEY = SECRETS.wrongS3Key;
  try {
    await s3.withBlobs(async (blobs) => {
      const failing = [
        blobs.put(sourceOf("text")),
        blobs.has(sourceOf("x").hash),
        Array.fromAsync(blobs.list()),
      ];
      for (const outcome of await Promise.allSettled(failing)) {
        assert.ok(outcome.status === "rejected");
        isUnavailable(/answered 40[13] /, false)(outcome.reason);
        const shown = inspect(outcome.reason, { depth: 20, showHidden: true });
        assert.doesNotMatch(
          shown,
          new RegExp(`${SECRETS.wrongS3Key.slice(0, 16)}|Signature=|Authorization|${keyId}`, "i"),
        );
      }
    });
  } finally {
    process.env.AWS_SECRET_ACCESS_KEY = secret;
  }
});

test("s3: UNAVAILABLE: without credentials it says where they come from", async () => {
  const { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env;
  delete process.env.AWS_ACCESS_KEY_ID;
  delete process.env.AWS_SECRET_ACCESS_KEY;
  try {
    await s3.withBlobs(async (blobs) => {
      await assert.rejects(blobs.put(sourceOf("text")), (error) => {
        isUnavailable(/^There are no credentials for The remote s3/i, false)(error);
        assert.match((error as RemoteError).hint ?? "", /AWS_PROFILE/);
        return true;
      });
    });
  } finally {
    Object.assign(process.env, { AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY });
  }
});
