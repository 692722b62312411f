// Many blobs fetched at once: how many at a time, what is stored together, and what is said of those that do not come.

import assert from "node:assert/strict";
import { hash as sha256 } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fetchedAhead } from "../../lib/blob-fetcher.ts";
import type { BookFile, StoreReader } from "../../lib/reader.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import type { StagedBytes } from "../../lib/staging.ts";
import { fetchBlobs } from "../../lib/sync/fetch-blobs.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";

function bytesOf(index: number): Buffer {
  return Buffer.from(`blob ${index}`);
}

function hashOf(bytes: Buffer): BlobHash {
  return sha256("sha256", bytes, "hex") as BlobHash;
}

interface Faked {
  readonly reader: StoreReader;
  readonly hashes: BlobHash[];
  /** How many were under way at once, at the most. */
  most: number;
  readonly batches: (readonly StagedBytes[])[];
  /** What `get` does instead of giving a blob. */
  instead: (hash: BlobHash) => Buffer | Error | undefined;
  readonly storeBlobs: (blobs: readonly StagedBytes[]) => Promise<void>;
  readonly blobs: { get(hash: BlobHash): AsyncIterable<Uint8Array> };
}

async function withFake(count: number, use: (fake: Faked) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  mkdirSync(join(directory, "drafts"));
  const known = new Map(
    Array.from({ length: count }, (_, index) => [hashOf(bytesOf(index)), bytesOf(index)]),
  );
  let underWay = 0;
  const fake: Faked = {
    reader: { directory } as StoreReader,
    hashes: [...known.keys()],
    most: 0,
    batches: [],
    instead: () => undefined,
    storeBlobs: async (blobs) => void fake.batches.push(blobs),
    blobs: {
      async *get(hash) {
        fake.most = Math.max(fake.most, ++underWay);
        try {
          await new Promise((resolve) => setImmediate(resolve));
          const given = fake.instead(hash) ?? known.get(hash);
          if (given instanceof Error) throw given;
          yield given ?? Buffer.alloc(0);
        } finally {
          underWay--;
        }
      },
    },
  };
  try {
    await use(fake);
    assert.deepEqual(readdirSync(join(directory, "drafts")), [], "nothing is left");
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function fetch(fake: Faked): Promise<Map<BlobHash, unknown>> {
  const blobs = fake.blobs as Parameters<typeof fetchBlobs>[0]["blobs"];
  return fetchBlobs({ reader: fake.reader, blobs, owner: fake, signal: undefined }, fake.hashes);
}

test("sixteen at a time, and stored in batches of 32", () =>
  withFake(100, async (fake) => {
    assert.equal((await fetch(fake)).size, 0);
    assert.equal(fake.most, 16);
    assert.deepEqual(
      fake.batches.map((batch) => batch.length),
      [32, 32, 32, 4],
    );
  }));

test("what the remote lacks, or has wrong, fails alone", () =>
  withFake(50, async (fake) => {
    const [lacking, wrong] = fake.hashes as [BlobHash, BlobHash];
    fake.instead = (hash) =>
      hash === lacking
        ? new RemoteError("NOT_FOUND", "it has none", { isRetryable: false })
        : hash === wrong
          ? Buffer.alloc(200_000, "other")
          : undefined;
    const failures = await fetch(fake);
    assert.deepEqual(
      [lacking, wrong].map((hash) => (failures.get(hash) as PfsError).code),
      ["NOT_FOUND", "CORRUPT"],
    );
    assert.equal(failures.size, 2);
    assert.equal(fake.batches.flat().length, 48);
  }));

test("a remote that fails is not asked for the rest; what had come is stored", () =>
  withFake(100, async (fake) => {
    let asked = 0;
    const down = new RemoteError("UNAVAILABLE", "it is down", { isRetryable: true });
    fake.instead = () => (++asked > 40 ? down : undefined);
    const failures = await fetch(fake);
    assert.ok(asked <= 56, `${asked} were asked for`);
    assert.equal(failures.size, 60);
    assert.ok([...failures.values()].every((error) => error === down));
    assert.equal(fake.batches.flat().length, 40);
  }));

test("what the store cannot take counts as not fetched", () =>
  withFake(40, async (fake) => {
    const full = new PfsError("FULL", "the disk is full");
    const failures = await fetch({ ...fake, storeBlobs: () => Promise.reject(full) });
    assert.equal(failures.size, 40);
    assert.equal(failures.get(fake.hashes[39]!), full);
  }));

test("files that are read one after the other are fetched a window ahead, each blob once, and none that is here", async () => {
  const file = (index: number, sizeBytes = 10): BookFile =>
    ({ path: `${index}.md`, sha256: hashOf(bytesOf(index % 100)), sizeBytes }) as unknown as BookFile;
  const here = hashOf(bytesOf(3));
  const asked: (readonly BlobHash[])[] = [];
  const reader = {
    lacks: (hash: BlobHash) => hash !== here,
    fetcher: {
      fetch: async (hashes: readonly BlobHash[]) => {
        asked.push(hashes);
        return new Map();
      },
    },
  } as unknown as StoreReader;
  const files = [
    ...Array.from({ length: 64 }, (_, index) => file(index)),
    file(64, 2 ** 30),
    file(65),
    file(65),
  ];
  const seen: string[] = [];
  for await (const { path } of fetchedAhead(reader, files)) {
    // Nothing is read before it was asked for.
    assert.ok(asked.flat().length > 0);
    seen.push(path);
  }
  assert.deepEqual(
    seen,
    files.map(({ path }) => path as string),
  );
  assert.deepEqual(
    asked.map((hashes) => hashes.length),
    [63, 1, 1],
  );
  const without = { lacks: () => assert.fail("nobody asks"), fetcher: undefined } as unknown as StoreReader;
  for await (const _ of fetchedAhead(without, files)) assert.ok(_);
});
