// Bytes that are staged beside a store whose disk is small.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { defaultReserveBytes } from "../../lib/disk-space.ts";
import { stageStream } from "../../lib/staging.ts";
import { mountSmallDisk } from "./small-disk.ts";

const MIB = 2 ** 20;

test("FULL: what is staged leaves the store's reserve of disk alone all the time, and goes when it does not fit", async () => {
  const disk = mountSmallDisk(32 * MIB);
  try {
    mkdirSync(join(disk.directory, "drafts"));
    const reserveBytes = defaultReserveBytes(statfsSync(disk.directory));
    let leastBytes = Number.POSITIVE_INFINITY;
    const endless = async function* () {
      for (const piece = Buffer.alloc(MIB / 8, "x"); ; ) {
        const { bavail, bsize } = statfsSync(disk.directory);
        leastBytes = Math.min(leastBytes, bavail * bsize);
        yield piece;
      }
    };
    const staging = stageStream(endless(), {
      storeDirectory: disk.directory,
      limitBytes: Number.POSITIVE_INFINITY,
    });
    await assert.rejects(staging, { code: "FULL" });
    assert.ok(leastBytes >= reserveBytes, `${leastBytes} of ${reserveBytes} bytes were left`);
    assert.ok(leastBytes < reserveBytes + MIB, "the rest was there for it");
    assert.deepEqual(readdirSync(join(disk.directory, "drafts")), []);
  } finally {
    disk.remove();
  }
});
