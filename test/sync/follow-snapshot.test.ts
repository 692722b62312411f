// A book that begins with what is shared of it.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { BASE, type BlobHash, newFileId, parseUserId } from "../../schema/ids.ts";
import { BOOK, layerOf } from "../lib/book-fixture.ts";
import { Machine } from "./machine.ts";
import { MemoryRemote } from "./memory-remote.ts";

const TEXT = "shared";
const HASH = hash("sha256", TEXT) as BlobHash;
const CARL = parseUserId("carl");

function fileAt(path: string, seq: number, userId = BASE) {
  const what = { path, userId, hash: HASH, sizeBytes: TEXT.length, mode: 0o100644, mtime: "1" };
  return { ...what, fileId: newFileId(), seq, agent: "alice", baseHash: null };
}

test("a clone has every file with its identity and its maker, one row each, one more for what a user does not see, and can be begun anew", async () => {
  const machine = new Machine("bob", new MemoryRemote());
  try {
    machine.remote.blobs.set(HASH, Buffer.from(TEXT));
    const files = [fileAt("part/a.md", 3), fileAt("part/b.md", 4), fileAt("../x", 5)];
    const own = { ...fileAt("part/own.md", 6, CARL), baseHash: HASH };
    for (const until of [undefined, { seq: 7, entryHash: HASH }]) {
      const hidden = [{ userId: CARL, fileId: files[1]!.fileId }];
      const counts = machine.library.followSnapshot(BOOK, { files: [...files, own], hidden, until });
      assert.deepEqual(counts, { files: 3, refused: 1 });
    }
    const made = ["create part/a.md", "create part/b.md", "create part/own.md"];
    assert.deepEqual(machine.story(), [...made, "cover part/b.md"]);
    assert.equal(machine.node("part/a.md").fileId, files[0]?.fileId);
    assert.deepEqual([...machine.files(CARL).keys()], ["part/own.md"]);
    assert.equal(machine.log().find(({ path }) => path === "part/own.md")?.base_hash, HASH);
    assert.equal(layerOf(machine, CARL).find("part/b.md"), undefined, "hidden");
    assert.equal(machine.pulledSeq, 7);
    assert.deepEqual(machine.outbox, []);
    assert.throws(() => machine.text("part/a.md"), { code: "UNAVAILABLE" });
    assert.throws(() => machine.library.followSnapshot(BOOK, { files }), { code: "USAGE" });
    await machine.assertSound();
    assert.equal(machine.text("part/a.md"), TEXT);
  } finally {
    machine.take();
  }
});

test("a file has no place above others, whichever order the pages come in and however their names sort", () => {
  const machine = new Machine("bob", new MemoryRemote());
  try {
    const take = (...paths: string[]) =>
      machine.library.followSnapshot(BOOK, { files: paths.map((path, seq) => fileAt(path, seq + 1)) });
    // The second is behind the first in UTF-8, and before it in UTF-16.
    assert.deepEqual(take("\uff5e/a.md", "\u{1f600}/a.md"), { files: 2, refused: 0 });
    assert.deepEqual(take("\uff5e"), { files: 0, refused: 1 });
    assert.deepEqual(take("\u{1f600}"), { files: 0, refused: 1 });
    assert.deepEqual(take("\u{1f600}/a.md/b.md"), { files: 0, refused: 1 });
    assert.deepEqual(take("a.md", "\u{1f601}.md"), { files: 2, refused: 0 });
    assert.deepEqual([...machine.files().keys()].sort(), [
      "a.md",
      "\u{1f600}/a.md",
      "\u{1f601}.md",
      "\uff5e/a.md",
    ]);
  } finally {
    machine.take();
  }
});
