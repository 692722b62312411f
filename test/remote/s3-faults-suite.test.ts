// Blobs in S3 where a fifth of all requests fails in some way: what every remote does goes well in the end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { blobOperations } from "../../lib/remote/remote-blobs.ts";
import { withRetry } from "../../lib/remote/with-retry.ts";
import { testBlobs } from "./blobs-suite.ts";
import type { HttpFault } from "./http-fault-proxy.ts";
import { seededRandom, takeSeed } from "./random.ts";
import { PART_BYTES, S3Fixture } from "./s3-fixture.ts";
import { bytesOf, collect, sourceOf } from "./sources.ts";

const s3 = new S3Fixture();
const seed = takeSeed();
let count = 0;
const FAULTS: readonly HttpFault[] = [
  { type: "reset-request", afterBytes: 1 },
  { type: "reset-request", afterBytes: 100_000 },
  { type: "reset-answer", afterBytes: 0 },
  { type: "reset-answer", afterBytes: 70_000 },
  { type: "lose-answer" },
  { type: "status", status: 500 },
  { type: "status", status: 503, headers: { "retry-after": "0" } },
  { type: "status", status: 429 },
  { type: "drip", pieces: 3, pauseMs: 1 },
];

function planFaults(): void {
  const random = seededRandom(seed + ++count);
  s3.proxy.plan = () => (random() < 0.2 ? FAULTS[Math.floor(random() * FAULTS.length)] : undefined);
}

testBlobs(
  `s3, a fifth of its requests with faults (seed ${seed})`,
  async () => {
    const remote = s3.makeRemote();
    planFaults();
    return { open: async () => await s3.openPatient(remote), remove: async () => undefined };
  },
  { losesAnswers: true },
);

test(`SC-010: an upload in parts, a fifth of its requests with faults, is whole in the end (seed ${seed})`, async () => {
  await s3.withBlobs(async (bare) => {
    const bytes = bytesOf(PART_BYTES + 10, 8);
    const source = sourceOf(bytes, 1024 * 1024);
    const policy = { attempts: 20, firstDelayMs: 1, longestDelayMs: 5 };
    planFaults();
    const blobs = withRetry(bare, blobOperations, { policy });
    await blobs.put(source);
    s3.proxy.plan = () => undefined;
    // Tried again, too: a connection whose answer came whole may still be reset.
    assert.ok((await collect(blobs.get(source.hash))).equals(bytes));
  });
});
