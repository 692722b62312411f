// A blob of 1 GB on its way into S3: how much memory that takes, and that it arrives whole.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { openRemoteBlobs } from "../../lib/remote/open-remote-blobs.ts";
import { RemoteCounters } from "../../lib/remote/with-metrics.ts";
import { parseBlobHash } from "../../schema/ids.ts";
import { startS3Server } from "../remote/s3-server.ts";
import { bytesOf } from "../remote/sources.ts";

const SIZE_BYTES = 1_000_000_000;
const PIECE_BYTES = 1_000_000;
const MAX_RSS_BYTES = 150_000_000;
const PROCESS = fileURLToPath(new URL("./large-put-process.ts", import.meta.url));
/** Those of the daemon (start-in-background.ts, run-daemon.ts). */
const FLAGS = ["--max-semi-space-size=1", "--semi-space-growth-factor=1", "--memory-saver-mode"];

/** Writes bytes that look random. @returns their hash */
function writeFile(path: string): string {
  const digest = createHash("sha256");
  const fd = openSync(path, "wx");
  try {
    for (let seed = 0; seed < SIZE_BYTES / PIECE_BYTES; seed++) {
      const piece = bytesOf(PIECE_BYTES, seed);
      digest.update(piece);
      writeSync(fd, piece);
    }
  } finally {
    closeSync(fd);
  }
  return digest.digest("hex");
}

test("a blob of 1 GB is put with less than 150 MB of memory, and comes back whole", async (context) => {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const server = await startS3Server();
  try {
    const url = server.urlOf("large");
    const path = join(directory, "large");
    const hash = writeFile(path);
    const uploadsDirectory = join(directory, "uploads");
    const args = [...FLAGS, PROCESS, url, uploadsDirectory, path, hash];
    const { stdout } = await promisify(execFile)(process.execPath, args);
    const { outcome, seconds, maxRssBytes } = JSON.parse(stdout);
    context.diagnostic(`${Math.round(maxRssBytes / 1e6)} MB of memory, ${Math.round(seconds)} s`);
    assert.equal(outcome, "stored");
    assert.ok(maxRssBytes < MAX_RSS_BYTES, `${maxRssBytes}`);
    const blobs = await openRemoteBlobs(url, { uploadsDirectory, counters: new RemoteCounters() });
    const digest = createHash("sha256");
    for await (const piece of blobs.get(parseBlobHash(hash))) digest.update(piece);
    assert.equal(digest.digest("hex"), hash);
    await blobs.close();
  } finally {
    await server.stop();
    rmSync(directory, { recursive: true, force: true });
  }
});
