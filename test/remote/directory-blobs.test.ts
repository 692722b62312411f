// Blobs in a shared directory: what every remote does, and what is particular to files.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { DirectoryBlobs } from "../../lib/remote/directory-blobs.ts";
import { RemoteError } from "../../lib/remote/remote-error.ts";
import { mountSmallDisk } from "../lib/small-disk.ts";
import { type SuiteRemote, testBlobs } from "./blobs-suite.ts";
import { bytesOf, collect, sourceOf } from "./sources.ts";

async function makeRemote(): Promise<SuiteRemote> {
  const parent = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const directory = join(parent, "shared");
  await makeBlobs(directory);
  return {
    open: async () => new DirectoryBlobs(directory),
    remove: async () => rmSync(parent, { recursive: true }),
  };
}

testBlobs("directory", makeRemote);

/** Makes the remote, too. */
async function makeBlobs(directory: string): Promise<DirectoryBlobs> {
  const blobs = new DirectoryBlobs(directory, { isNew: true });
  assert.deepEqual(await Array.fromAsync(blobs.list()), []);
  return blobs;
}

async function withDirectory(
  work: (directory: string, blobs: DirectoryBlobs) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    await work(directory, await makeBlobs(directory));
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function blobPath(directory: string, hash: string): string {
  return join(directory, "blobs", hash.slice(0, 2), hash);
}

test("directory: R2: whoever writes into a published file does not reach the blob", async () => {
  await withDirectory(async (directory, blobs) => {
    const source = sourceOf("the lesson");
    await blobs.put(source);
    const name = "my-book/content/a.md";
    await blobs.publish({ name, hash: source.hash, sizeBytes: source.sizeBytes });
    writeFileSync(join(directory, "books", name), "THE LESSON");
    assert.equal(`${await collect(blobs.get(source.hash))}`, "the lesson");
    assert.equal((await blobs.findPublished(name))?.hash, sourceOf("THE LESSON").hash);
  });
});

test("directory: what comes into it is its maker's alone, unless the directory says more", async () => {
  const modeOf = (path: string) => (statSync(path).mode & 0o7777).toString(8);
  for (const [given, directoryMode, fileMode] of [
    [0o700, "700", "600"],
    [0o750, "750", "640"],
    [0o2770, "2770", "660"],
  ] as const) {
    await withDirectory(async (directory) => {
      chmodSync(directory, given);
      const blobs = await makeBlobs(directory);
      const source = sourceOf("shared");
      await blobs.put(source);
      await blobs.publish({ name: "my-book/a", hash: source.hash, sizeBytes: source.sizeBytes });
      for (const path of [blobPath(directory, source.hash), join(directory, "books/my-book/a")])
        assert.equal(modeOf(path), fileMode);
      for (const path of [
        join(directory, "blobs", source.hash.slice(0, 2)),
        join(directory, "books/my-book"),
      ])
        assert.equal(modeOf(path), directoryMode);
    });
  }
});

test("directory: no symbolic link in books/ is followed", async () => {
  await withDirectory(async (directory, blobs) => {
    const outside = join(directory, "outside");
    mkdirSync(outside);
    writeFileSync(join(outside, "a"), "somebody's");
    symlinkSync(outside, join(directory, "books/my-book"));
    const source = sourceOf("the lesson");
    await blobs.put(source);
    assert.deepEqual((await Array.fromAsync(blobs.listPublished("my-book/"))).flat(), []);
    await blobs.publish({ name: "my-book/a", hash: source.hash, sizeBytes: source.sizeBytes });
    assert.equal(readFileSync(join(outside, "a"), "utf8"), "somebody's");
    assert.equal(readFileSync(join(directory, "books/my-book/a"), "utf8"), "the lesson");
    rmSync(join(directory, "books/my-book/a"));
    symlinkSync(join(outside, "a"), join(directory, "books/my-book/a"));
    assert.equal((await blobs.findPublished("my-book/a"))?.hash, undefined);
    await blobs.unpublish(["my-book/a"]);
    assert.deepEqual(readdirSync(outside), ["a"]);
  });
});

test("directory: UNAVAILABLE: a disk that is not mounted is no remote without blobs, and none is made there", async () => {
  await withDirectory(async (directory, blobs) => {
    const source = sourceOf("the lesson");
    await blobs.put(source);
    const isMissing = (error: unknown) =>
      error instanceof RemoteError && error.code === "UNAVAILABLE" && error.message.includes(directory);
    for (const name of ["blobs", "books", "tmp"]) rmSync(join(directory, name), { recursive: true });
    await assert.rejects(blobs.has(source.hash), isMissing);
    await assert.rejects(blobs.put(source), isMissing);
    await assert.rejects(collect(blobs.get(source.hash)), isMissing);
    await assert.rejects(Array.fromAsync(blobs.list()), isMissing);
    await assert.rejects(blobs.delete(source.hash), isMissing);
    await assert.rejects(new DirectoryBlobs(directory).has(source.hash), isMissing);
    const missing = new DirectoryBlobs(join(directory, "missing"));
    await assert.rejects(missing.put(source), isMissing);
    assert.deepEqual(readdirSync(directory), []);
    await makeBlobs(join(directory, "missing"));
    assert.equal(await missing.put(source), "stored");
  });
});

test("directory: FULL: a full disk leaves no part of a blob", async () => {
  const disk = mountSmallDisk(8_000_000);
  try {
    const blobs = await makeBlobs(disk.directory);
    await assert.rejects(
      blobs.put(sourceOf(bytesOf(9_000_000))),
      (error) => error instanceof RemoteError && error.code === "FULL" && !error.isRetryable,
    );
    assert.deepEqual(readdirSync(join(disk.directory, "tmp")), []);
    assert.equal(await blobs.put(sourceOf("small")), "stored");
  } finally {
    disk.remove();
  }
});

test("directory: what a killed process left is cleared a day later, and nothing that is not of pfs's making", async () => {
  await withDirectory(async (directory) => {
    const twoDaysAgo = Date.now() / 1000 - 2 * 24 * 3600;
    const [old, young, folder] = ["0", "1", "2"].map((digit) => digit.repeat(24)) as [string, string, string];
    for (const name of [old, young, "notes.txt", `${old}.bak`]) {
      const path = join(directory, "tmp", name);
      writeFileSync(path, "part of a blob");
      if (name !== young) utimesSync(path, twoDaysAgo, twoDaysAgo);
    }
    mkdirSync(join(directory, "tmp", folder));
    utimesSync(join(directory, "tmp", folder), twoDaysAgo, twoDaysAgo);
    await new DirectoryBlobs(directory).has(sourceOf("a lesson").hash);
    assert.deepEqual(readdirSync(join(directory, "tmp")).sort(), [`${old}.bak`, young, folder, "notes.txt"]);
  });
});

test("directory: what is no blob among them is not listed", async () => {
  await withDirectory(async (directory, blobs) => {
    const source = sourceOf("the lesson");
    await blobs.put(source);
    writeFileSync(join(directory, "blobs/README"), "a note");
    writeFileSync(`${blobPath(directory, source.hash)}.bak`, "a copy");
    mkdirSync(join(directory, "blobs/zz"));
    writeFileSync(join(directory, "blobs/zz", source.hash), "in the wrong place");
    const listed = (await Array.fromAsync(blobs.list())).flat();
    assert.deepEqual(
      listed.map(({ hash }) => hash),
      [source.hash],
    );
    assert.ok(existsSync(blobPath(directory, source.hash)));
  });
});

test("directory: what somebody has put in a blob's place and is no file, such as a pipe, is refused and waited for by nobody", async () => {
  await withDirectory(async (directory, blobs) => {
    for (const put of ["mkfifo", "mkdir", "ln -s /dev/zero"]) {
      const source = sourceOf(`# ${put}\n`);
      await blobs.put(source);
      const path = blobPath(directory, source.hash);
      rmSync(path);
      execFileSync("sh", ["-c", `${put} "$0"`, path]);
      const isRefused = (error: unknown): boolean => {
        assert.ok(error instanceof RemoteError);
        assert.deepEqual([error.code, error.isRetryable], ["CORRUPT", false]);
        assert.match(error.message, new RegExp(`${source.hash} is no file`));
        return true;
      };
      await assert.rejects(collect(blobs.get(source.hash)), isRefused, put);
      await assert.rejects(blobs.has(source.hash), isRefused, put);
      await assert.rejects(blobs.put(source), isRefused, put);
    }
  });
});
