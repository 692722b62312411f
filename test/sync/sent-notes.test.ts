// What a push remembers of bytes that it has sent: as the next process reads it, after what was noted and what was taken away.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { SentNotes } from "../../lib/sync/sent-notes.ts";
import { type BlobHash, parseBlobHash, parseBookId } from "../../schema/ids.ts";

const BOOK = parseBookId("my-book");
const hashOf = (digit: string): BlobHash => parseBlobHash(digit.repeat(64));
const [A, B, C] = [hashOf("a"), hashOf("b"), hashOf("c")];

test("B1: what is taken away leaves the other notes to the next process, and nothing of its own", () => {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const directory = join(top, "sent");
  try {
    const notes = new SentNotes(directory, BOOK);
    for (const hash of [A, B, C]) notes.add(hash);
    notes.remove([B]);
    assert.deepEqual(new SentNotes(directory, BOOK).all(), [A, C]);
    notes.add(B);
    notes.remove([A, C]);
    assert.deepEqual(new SentNotes(directory, BOOK).all(), [B]);
    assert.deepEqual(readdirSync(directory), ["my-book.sent"]);
    notes.remove([B]);
    assert.deepEqual([notes.all(), readdirSync(directory)], [[], []]);
    notes.add(A);
    assert.deepEqual(new SentNotes(directory, BOOK).all(), [A]);
  } finally {
    rmSync(top, { recursive: true });
  }
});
