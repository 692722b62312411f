// Bytes of a remote that never end: they are let go as soon as they are more than the blob can have, and nothing of them stays.

import assert from "node:assert/strict";
import { hash as sha256 } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { StoreReader } from "../../lib/reader.ts";
import { type FetchSource, fetchBlob } from "../../lib/sync/fetch-blob.ts";
import { PfsError } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";
import { BookFixture } from "../lib/book-fixture.ts";

const MIB = 2 ** 20;
const LIMIT_BYTES = 12 * MIB;
const CURRENT = Buffer.alloc(9 * MIB, "current");
const OLD = Buffer.alloc(10 * MIB, "old");

function hashOf(bytes: Uint8Array): BlobHash {
  return sha256("sha256", bytes, "hex") as BlobHash;
}

/** A store that knows two long versions of a file; its remote gives these bytes, and then more and more. */
async function withSource(
  begin: Uint8Array,
  use: (source: FetchSource, given: () => number) => Promise<void>,
): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const book = new BookFixture(directory, { fileSizeLimitBytes: LIMIT_BYTES });
  book.write("a.bin", OLD);
  book.write("a.bin", CURRENT);
  const reader = StoreReader.openBeside(directory);
  const more = Buffer.alloc(MIB, "more");
  let givenBytes = 0;
  let isEnded = false;
  const get = async function* () {
    try {
      givenBytes += begin.byteLength;
      yield begin;
      for (;;) {
        givenBytes += MIB;
        yield more;
      }
    } finally {
      isEnded = true;
    }
  };
  try {
    await use({ reader, blobs: { get }, signal: undefined }, () => givenBytes);
    assert.ok(isEnded, "the remote is left alone");
    assert.deepEqual(readdirSync(join(directory, "drafts")), []);
  } finally {
    reader.close();
    book.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

for (const [what, bytes, sizeBytes] of [
  ["the current version of a file has so many bytes", CURRENT, CURRENT.byteLength],
  ["a version that is in the log has", OLD, OLD.byteLength],
  ["a file of the book may have, where no row tells of it", Buffer.from("unknown"), LIMIT_BYTES],
] as const)
  test(`R2: no more of a blob is read than it can have: ${what}`, () =>
    withSource(bytes, async (source, given) => {
      await assert.rejects(fetchBlob(source, hashOf(bytes)), (error) => {
        assert.ok(error instanceof PfsError && error.code === "CORRUPT", String(error));
        assert.match(error.message, new RegExp(`longer than ${sizeBytes} bytes`));
        return true;
      });
      assert.ok(given() > sizeBytes && given() <= sizeBytes + 2 * MIB, `${given()} bytes`);
    }));
