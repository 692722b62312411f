// What bad networks and busy servers do to S3, each by itself: what it is told as, and that it passes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { blobOperations } from "../../lib/remote/remote-blobs.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { withTimeouts } from "../../lib/remote/with-timeouts.ts";
import type { HttpFault } from "./http-fault-proxy.ts";
import { failureOf } from "./remote-failure.ts";
import { S3Fixture } from "./s3-fixture.ts";
import { bytesOf, collect, hashOf, sourceOf } from "./sources.ts";

const s3 = new S3Fixture();

function answerOf(status: number, code: string, headers: Record<string, string> = {}): HttpFault {
  const body = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>Said so.</Message></Error>`;
  return { type: "status", status, headers: { "content-type": "application/xml", ...headers }, body };
}

test("s3 faults: refused connections are told as such, and pass", async () => {
  await s3.withBlobs(async (blobs) => {
    const source = sourceOf("a lesson");
    await s3.proxy.refuse();
    const { code, message, isRetryable } = await failureOf(blobs.put(source));
    await s3.proxy.accept();
    assert.deepEqual({ code, isRetryable }, { code: "UNAVAILABLE", isRetryable: true });
    assert.match(
      message,
      /^The remote s3:\/\/shared-books\/.+ at 127\.0\.0\.1:\d+ cannot be reached: ECONNREFUSED\.$/,
    );
    assert.equal(await blobs.put(source), "stored");
  });
});

test("s3 faults: O1: what was stored although its answer was lost is found present", async () => {
  await s3.withBlobs(async (blobs) => {
    for (const source of [sourceOf("a lesson"), sourceOf(bytesOf(2_000_000))]) {
      s3.proxy.planNext([{ type: "lose-answer" }], ({ method }) => method === "PUT");
      assert.equal((await failureOf(blobs.put(source))).isRetryable, true);
      assert.equal(await blobs.put(source), "present");
    }
  });
});

test("s3 faults: a put that is reset in its middle leaves nothing", async () => {
  await s3.withBlobs(async (blobs) => {
    const source = sourceOf(bytesOf(3_000_000));
    s3.proxy.planNext([{ type: "reset-request", afterBytes: 1_000_000 }], ({ method }) => method === "PUT");
    assert.equal((await failureOf(blobs.put(source))).isRetryable, true);
    assert.equal(await blobs.has(source.hash), false);
  });
});

test("s3 faults: a read that is reset in its middle goes on where it was", async () => {
  const counters = new RemoteCounters();
  const blobs = await s3.openPatient(s3.makeRemote(), counters);
  const bytes = bytesOf(3_000_000);
  const source = sourceOf(bytes);
  await blobs.put(source);
  const from = s3.proxy.requests.length;
  const cuts = [1_000_000, 500_000].map((afterBytes): HttpFault => ({ type: "reset-answer", afterBytes }));
  s3.proxy.planNext(cuts);
  assert.ok((await collect(blobs.get(source.hash))).equals(bytes));
  const ranges = s3.proxy.requests
    .slice(from)
    .map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers.range ?? "bytes=0-")?.[1]));
  assert.equal(ranges.length, 3);
  assert.ok(
    ranges[0] === 0 && ranges[1]! > 0 && ranges[1]! <= 1_000_000 && ranges[2]! > ranges[1]!,
    `${ranges}`,
  );
  const retries = counters.families()[1]?.values;
  assert.deepEqual(retries, [{ labels: { interface: "blobs", operation: "get" }, value: 2 }]);
  await blobs.close();
});

test("s3 faults: a busy server's answers pass, and how long it asks to be left alone is known", async () => {
  await s3.withBlobs(async (blobs) => {
    const inTenSeconds = new Date(Date.now() + 10_000).toUTCString();
    for (const [fault, retryAfterMs] of [
      [{ type: "status", status: 500 }, undefined],
      [{ type: "status", status: 502, body: "<html>Bad gateway</html>" }, undefined],
      [answerOf(503, "SlowDown"), undefined],
      [answerOf(503, "SlowDown", { "retry-after": "7" }), 7000],
      [{ type: "status", status: 429, headers: { "retry-after": "0" } }, 0],
      [answerOf(429, "TooManyRequests", { "retry-after": inTenSeconds }), 9000],
      [answerOf(409, "ConditionalRequestConflict"), undefined],
      [answerOf(400, "BadDigest"), undefined],
    ] as const) {
      s3.proxy.planNext([fault]);
      const failure = await failureOf(blobs.put(sourceOf("a lesson")));
      assert.deepEqual([failure.code, failure.isRetryable], ["UNAVAILABLE", true], failure.message);
      if (retryAfterMs !== 9000) assert.equal(failure.retryAfterMs, retryAfterMs, failure.message);
      else assert.ok(failure.retryAfterMs! <= 10_000 && failure.retryAfterMs! >= 0);
    }
    assert.equal(await blobs.put(sourceOf("a lesson")), "stored");
  });
});

test("s3 faults: what does not pass is told as it is, with what can be done", async () => {
  await s3.withBlobs(async (blobs) => {
    for (const [fault, code, hint] of [
      [answerOf(403, "AccessDenied"), "UNAVAILABLE", /credentials/],
      [answerOf(400, "ExpiredToken"), "UNAVAILABLE", /new credentials/],
      [answerOf(403, "QuotaExceeded"), "FULL", /quota/],
      [answerOf(507, "XMinioStorageFull"), "FULL", /quota/],
    ] as const) {
      s3.proxy.planNext([fault]);
      const failure = await failureOf(blobs.put(sourceOf("a lesson")));
      assert.deepEqual([failure.code, failure.isRetryable], [code, false], failure.message);
      assert.match(failure.hint ?? "", hint);
    }
  });
});

test("s3 faults: an answer that is not S3's is not taken for one", async () => {
  await s3.withBlobs(async (blobs) => {
    const page: HttpFault = {
      type: "status",
      status: 200,
      body: "<html>Please log in to the café's network</html>",
    };
    const { hash } = sourceOf("a lesson");
    s3.proxy.planNext([{ ...page, status: 404 }]);
    assert.equal((await failureOf(collect(blobs.get(hash)))).code, "UNAVAILABLE");
    s3.proxy.planNext([{ ...page, body: "<html><p>Please log in" }]);
    assert.equal((await failureOf(Array.fromAsync(blobs.list()))).code, "UNAVAILABLE");
  });
});

test("s3 faults: a wrong clock is set by what S3 answers, and the next attempts are signed with that", async () => {
  const blobs = await s3.openPatient(s3.makeRemote());
  const anHourLater = new Date(Date.now() + 3_600_000);
  const from = s3.proxy.requests.length;
  s3.proxy.planNext([answerOf(403, "RequestTimeTooSkewed", { date: anHourLater.toUTCString() })]);
  await blobs.put(sourceOf("a lesson"));
  const signedAt = s3.proxy.requests
    .slice(from)
    .map(({ headers }) => `${headers["x-amz-date"]}`.slice(0, 11));
  assert.equal(signedAt[1], anHourLater.toISOString().replaceAll(/[-:]/g, "").slice(0, 11));
  assert.equal(await blobs.has(sourceOf("a lesson").hash), true);
  await blobs.close();
});

test("s3 faults: a server that never answers is given up, and its connection with it", async () => {
  await s3.withBlobs(async (bare) => {
    const blobs = withTimeouts(bare, blobOperations, { remoteName: "The remote", quickMs: 100, slowMs: 100 });
    // More than there may be connections.
    const silences = Array.from({ length: 150 }, (): HttpFault => ({ type: "silence" }));
    s3.proxy.planNext(silences);
    const { hash } = sourceOf("a lesson");
    const asked = await Promise.all(silences.map(async () => await failureOf(blobs.has(hash))));
    for (const { message, isRetryable } of asked) {
      assert.equal(message, "The remote has not answered for 0.1 s.");
      assert.equal(isRetryable, true);
    }
    s3.proxy.plan = () => undefined;
    assert.equal(await bare.has(hash), false);
  });
});

test("s3 faults: R2: wrong bytes come as they are, for whoever hashes them; a slow answer comes whole", async () => {
  await s3.withBlobs(async (blobs) => {
    const source = sourceOf("a lesson");
    await blobs.put(source);
    s3.proxy.planNext([{ type: "wrong-bytes" }]);
    assert.notEqual(hashOf(await collect(blobs.get(source.hash))), source.hash);
    s3.proxy.planNext([{ type: "drip", pieces: 8, pauseMs: 5 }]);
    assert.equal(hashOf(await collect(blobs.get(source.hash))), source.hash);
  });
});
