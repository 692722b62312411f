// URLs of shared blobs: what they mean, and what is said of those that mean nothing.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { pathToFileURL } from "node:url";
import { nameOfLocation, parseBlobsUrl } from "../../lib/remote/blobs-location.ts";
import { openRemoteBlobs } from "../../lib/remote/open-remote-blobs.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { PfsError } from "../../schema/errors.ts";
import { refuseSecrets, SECRETS } from "../secrets.ts";
import { sourceOf } from "./sources.ts";

test("URLs of S3 name a bucket, what comes before its keys, a server and a region", () => {
  const r2 = "https://account.r2.cloudflarestorage.com";
  assert.deepEqual(parseBlobsUrl(`s3://my-bucket/team/books?endpoint=${r2}`), {
    type: "s3",
    bucket: "my-bucket",
    prefix: "team/books/",
    endpoint: r2,
    region: "auto",
  });
  assert.deepEqual(parseBlobsUrl("s3://my.bucket?region=eu-central-1"), {
    type: "s3",
    bucket: "my.bucket",
    prefix: "",
    endpoint: undefined,
    region: "eu-central-1",
  });
  const odd = parseBlobsUrl(
    `s3://my-bucket//a%20b%2B/?endpoint=${encodeURIComponent("http://localhost:9000/s3/")}`,
  );
  assert.ok(odd.type === "s3");
  assert.equal(odd.prefix, "a b+/");
  assert.equal(odd.endpoint, "http://localhost:9000/s3");
  assert.equal(nameOfLocation(odd), "The remote s3://my-bucket/a b+/ at localhost:9000");
});

test("URLs of directories name one of this machine", () => {
  assert.deepEqual(parseBlobsUrl("file:///srv/a%20b/"), { type: "directory", directory: "/srv/a b" });
  assert.deepEqual(parseBlobsUrl("file://localhost/srv"), { type: "directory", directory: "/srv" });
});

test("USAGE: a URL that means nothing is refused in one sentence", () => {
  for (const [url, sentence] of [
    ["my-bucket", /no URL/],
    ["", /no URL/],
    ["https://example.org/bucket", /cannot be shared at "https:"/],
    ["s3://My_Bucket?region=auto", /bucket's name/],
    ["s3:///prefix?region=auto", /bucket's name/],
    ["s3://my-bucket", /needs a region .* or an endpoint/],
    ["s3://my-bucket?region=a%20b", /cannot be a region/],
    ["s3://my-bucket?region=auto&region=auto", /more than one region/],
    ["s3://my-bucket?endpoint=example.org", /no http or https URL/],
    ["s3://my-bucket?endpoint=ftp://example.org", /no http or https URL/],
    ["s3://my-bucket?endpoint=https://example.org%3Fx=1", /more than a host and a path/],
    ["s3://my-bucket?regoin=auto", /unknown "regoin"/],
    ["s3://my-bucket/%zz?region=auto", /% that stands for nothing/],
    ["s3://my-bucket/a#b?region=auto", /has a # in it/],
    ["file://server/share", /names the machine "server"/],
    ["file:///", /names none/],
    ["file:///srv/a%2Fb", /cannot be read/],
    ["file:///srv/a?b", /has a \? in it/],
  ] as const) {
    assert.throws(
      () => parseBlobsUrl(url),
      (error) => {
        assert.ok(error instanceof PfsError && error.code === "USAGE", url);
        assert.match(error.message, sentence);
        assert.match(error.message, /^[^\n]*\.$/);
        return true;
      },
      url,
    );
  }
});

test("USAGE: a URL that holds a secret is refused, and the secret is not repeated", () => {
  const { awsKeyId, urlPassword } = SECRETS;
  for (const url of [
    `s3://${awsKeyId}:${urlPassword}@my-bucket?region=auto`,
    `s3://my-bucket?region=auto&secret_access_key=${urlPassword}`,
    `s3://my-bucket?region=auto&X-Amz-Signature=${urlPassword}`,
    `s3://my-bucket?endpoint=https://${awsKeyId}:${urlPassword}@example.org`,
  ]) {
    assert.throws(
      () => parseBlobsUrl(url),
      (error) => {
        assert.ok(error instanceof PfsError);
        assert.match(`${error.message} ${error.hint}`, /must not hold credentials.*AWS_PROFILE/);
        refuseSecrets("the refusal", `${error.message} ${error.hint}`);
        return true;
      },
    );
  }
});

test("a directory that is missing is made for a remote that is new, and never otherwise", async () => {
  const parent = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const url = pathToFileURL(join(parent, "shared/books")).href;
    const options = { uploadsDirectory: join(parent, "uploads"), counters: new RemoteCounters() };
    const source = sourceOf("a lesson");
    const blobs = await openRemoteBlobs(url, options);
    await assert.rejects(blobs.put(source), { code: "UNAVAILABLE" });
    assert.equal(existsSync(join(parent, "shared")), false);
    const made = await openRemoteBlobs(url, { ...options, isNew: true });
    assert.equal(await made.put(source), "stored");
    assert.equal(await blobs.has(source.hash), true);
    const [durations] = options.counters.families();
    assert.ok(durations?.values.some(({ labels }) => labels.operation === "put" && labels.outcome === "ok"));
  } finally {
    rmSync(parent, { recursive: true });
  }
});
