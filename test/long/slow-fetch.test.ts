// Opening a file whose bytes come slowly: it waits as long as something comes, gives up when nothing does, and ends at once when
// the reader is interrupted.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { RemoteFetcher } from "../../daemon/remote-fetcher.ts";
import { StoreReader } from "../../lib/reader.ts";
import { parseBlobHash } from "../../schema/ids.ts";
import { eventually, execute, type Place, withPlace } from "../daemon/harness.ts";
import type { HttpFaultPlan } from "../remote/http-fault-proxy.ts";
import { S3Fixture } from "../remote/s3-fixture.ts";

const s3 = new S3Fixture();
const LARGE = randomBytes(200_000);
const HASH = parseBlobHash(createHash("sha256").update(LARGE).digest("hex"));

/** Of requests for the bytes of a blob. */
function ofBytes(fault: ReturnType<HttpFaultPlan>): HttpFaultPlan {
  return ({ method, url }) => (method === "GET" && url.includes(HASH) ? fault : undefined);
}

/** A store that has a book with one file, whose bytes are on S3 only. */
async function withClone(
  use: (place: Place, remote: ReturnType<S3Fixture["makeRemote"]>) => Promise<void>,
): Promise<void> {
  const remote = s3.makeRemote();
  await withPlace(async (a) => {
    const source = join(a.top, "source");
    mkdirSync(source);
    writeFileSync(join(source, "large.bin"), LARGE);
    const urls = [`file://${join(a.top, "log")}`, remote.url];
    await a.pfs("import", "my-book", source, "--schema", "any");
    await a.pfs("remote", "add", "my-book", ...urls);
    await a.pfs("push", "my-book");
    await withPlace(async (place) => {
      await place.pfs("clone", ...urls, "my-book");
      await use(place, remote);
    });
  });
}

test("a fetch goes on as long as something comes, and ends when nothing has come for as long as it may", () =>
  withClone(async ({ store }, remote) => {
    const reader = StoreReader.open(store);
    const blobs = await s3.openPatient(remote);
    try {
      const stallMs = 1000;
      const stored: string[] = [];
      const owner = {
        storeBlobs: async (staged: readonly { readonly hash: string }[]) => {
          stored.push(...staged.map(({ hash }) => hash));
        },
      };
      const fetcher = new RemoteFetcher({ reader, owner, stallMs, blobsOf: async () => blobs });
      const startMs = performance.now();
      s3.proxy.plan = ofBytes({ type: "drip", pieces: 16, pauseMs: 150 });
      assert.deepEqual([...(await fetcher.fetch([HASH]))], []);
      assert.deepEqual(stored, [HASH]);
      assert.ok(performance.now() - startMs > 2 * stallMs, "it took longer than nothing may come");
      for (const fault of [{ type: "drip", pieces: 2, pauseMs: 10_000 }, { type: "silence" }] as const) {
        s3.proxy.plan = ofBytes(fault);
        const failure = (await fetcher.fetch([HASH])).get(HASH);
        assert.equal(failure?.code, "UNAVAILABLE");
        assert.equal(failure.message, "The remote has sent nothing for 1 seconds.");
      }
    } finally {
      await blobs.close();
      reader.close();
    }
  }));

test("a program that waits for bytes ends at once when it is interrupted, and the file can be read later", () =>
  withClone(async (place) => {
    const { dir, pfs } = place;
    await pfs("mount", "my-book", dir);
    s3.proxy.plan = ofBytes({ type: "drip", pieces: 5, pauseMs: 2000 });
    const before = s3.proxy.requests.length;
    const cat = spawn("cat", [join(dir, "large.bin")], { stdio: "ignore" });
    const ended = once(cat, "exit");
    await eventually("the bytes are asked for", () =>
      s3.proxy.requests.slice(before).some(({ method, url }) => method === "GET" && url.includes(HASH)),
    );
    const startMs = performance.now();
    cat.kill("SIGINT");
    assert.deepEqual(await ended, [null, "SIGINT"]);
    assert.ok(performance.now() - startMs < 10_000, `${performance.now() - startMs}`);
    await pfs("stop");
    s3.proxy.plan = () => undefined;
    await pfs("mount", "my-book", dir);
    // This process has the proxy: it must not wait itself.
    const { stdout } = await execute("sha256sum", [join(dir, "large.bin")]);
    assert.equal(stdout.slice(0, HASH.length), HASH);
  }));
