// Large files on a real mount: what takes long for one of them holds up nobody else.

import assert from "node:assert/strict";
import { open, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { it } from "node:test";
import { withBook } from "./harness.ts";

const CHUNK = Buffer.alloc(1024 * 1024, "large ");
const CHUNKS = 256;

/** Reads the small file until `busy` is done; returns how often it was read before that. */
async function readMeanwhile(small: string, busy: Promise<unknown>): Promise<number> {
  let [isDone, count] = [false, 0];
  const done = busy.finally(() => {
    isDone = true;
  });
  while (!isDone) {
    // Each opening is a request.
    assert.equal(await readFile(small, "utf8"), "text");
    if (!isDone) count++;
  }
  await done;
  return count;
}

it("while a large file is verified at its first opening, and hashed at its closing, other files are served", () =>
  withBook({}, async (book) => {
    const [large, small] = [join(book.dir, "large.bin"), join(book.dir, "small.md")];
    const made = await open(large, "w");
    for (let index = 0; index < CHUNKS; index++) await made.write(CHUNK);
    await made.close();
    await writeFile(small, "text");
    await book.restart();
    const opening = open(large, "r+");
    assert.ok((await readMeanwhile(small, opening)) > 0, "nothing was served while it was opened");
    const file = await opening;
    await file.write(Buffer.from("A"), 0, 1, 5);
    assert.ok((await readMeanwhile(small, file.close())) > 0, "nothing was served while it was closed");
    const bytes = await readFile(large);
    assert.equal(bytes.length, CHUNKS * CHUNK.length);
    assert.equal(bytes.toString("latin1", 0, 12), "largeAlarge ");
    assert.deepEqual(book.faults, []);
  }));
