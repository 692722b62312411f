// Reading files piece by piece: their bytes, in the same little memory.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { filePieces, PIECE_BYTES } from "../../lib/file-pieces.ts";
import { SpareMemory } from "../../lib/spare-memory.ts";
import { bytesOf, collect } from "../remote/sources.ts";

const BYTES = bytesOf(1_000_000);

async function withFile(use: (path: string) => Promise<void>): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const path = join(directory, "file");
    writeFileSync(path, BYTES);
    await use(path);
  } finally {
    rmSync(directory, { recursive: true });
  }
}

async function* copied(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) yield Buffer.from(piece);
}

/** How many of this process's descriptors are of a file. */
function openings(path: string): number {
  const targets = readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch {
      // That of the listing itself is gone.
      return undefined;
    }
  });
  return targets.filter((target) => target === path).length;
}

test("any range of a file comes as it is, and ends where the file does", () =>
  withFile(async (path) => {
    for (const [start, end] of [
      [0, BYTES.byteLength],
      [0, 1],
      [65_535, 65_537],
      [999_999, 2_000_000],
      [2_000_000, 3_000_000],
      [5, 5],
    ] as const)
      assert.deepEqual(await collect(copied(filePieces(path, start, end))), BYTES.subarray(start, end));
  }));

test("a file of any length is read in the memory of two pieces, the last two of which are as they came", () =>
  withFile(async (path) => {
    const memory = new Set<ArrayBufferLike>();
    let before: { piece: Uint8Array; start: number } | undefined;
    let start = 0;
    for await (const piece of filePieces(path, 0, BYTES.byteLength)) {
      memory.add(piece.buffer);
      if (before !== undefined)
        assert.ok(before.piece.every((byte, at) => byte === BYTES[(before as { start: number }).start + at]));
      before = { piece, start };
      start += piece.byteLength;
    }
    assert.equal(start, BYTES.byteLength);
    assert.equal(memory.size, 2);
  }));

test("files that are read one after another in memory of theirs take that of two pieces", () =>
  withFile(async (path) => {
    const memory = new SpareMemory(PIECE_BYTES);
    const seen = new Set<ArrayBufferLike>();
    for (let round = 0; round < 3; round++)
      for await (const piece of filePieces(path, 0, BYTES.byteLength, memory)) seen.add(piece.buffer);
    const stopped = filePieces(path, 0, BYTES.byteLength, memory);
    seen.add(((await stopped.next()).value as Uint8Array).buffer);
    await stopped.return(undefined);
    for await (const piece of filePieces(path, 0, BYTES.byteLength, memory)) seen.add(piece.buffer);
    assert.equal(seen.size, 2);
    // Two that are read at once do not share any.
    const [one, other] = [filePieces(path, 0, 10, memory), filePieces(path, 10, 20, memory)];
    const [first, second] = [(await one.next()).value, (await other.next()).value];
    assert.deepEqual([first, second], [BYTES.subarray(0, 10), BYTES.subarray(10, 20)]);
    await Promise.all([one.return(undefined), other.return(undefined)]);
  }));

test("who stops reading leaves no file open", () =>
  withFile(async (path) => {
    const pieces = filePieces(path, 0, BYTES.byteLength);
    await pieces.next();
    assert.equal(openings(path), 1);
    await pieces.return(undefined);
    assert.equal(openings(path), 0);
  }));

test("a file that is not there is ENOENT", async () => {
  await assert.rejects(filePieces("/nonexistent/file", 0, 1).next(), { code: "ENOENT" });
});
