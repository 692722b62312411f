// Exporting a book: the same bytes, bits, times and links, and nothing written outside of the target.

import assert from "node:assert/strict";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { INLINE_MAX_BYTES } from "../../lib/blobs.ts";
import { exportBook } from "../../lib/export.ts";
import { manifestHash as manifestHashAt } from "../../lib/manifest.ts";
import { parseBookId } from "../../schema/ids.ts";
import { alice, BOOK, placeOf, save, type TestStore, tamper, withStore } from "./test-store.ts";

const LARGE = Buffer.alloc(INLINE_MAX_BYTES + 1, "large ");
const LONG_NAME = `${"n".repeat(252)}.md`;

function fill({ worktree }: TestStore): void {
  const { fileId } = save(worktree, "run.sh", "#!/bin/sh\r\n");
  worktree.setAttributes(
    fileId,
    { mode: 0o755, mtime: { seconds: 981173106, nanoseconds: 123456789 } },
    alice,
  );
  save(worktree, "part/large.bin", LARGE);
  save(worktree, LONG_NAME, "long");
  placeOf(worktree, "empty/below/x");
  const { parent, name } = placeOf(worktree, "part/link.md");
  const link = worktree.makeSymlink(parent, name, Buffer.from("../run.sh"), alice);
  worktree.setAttributes(link.fileId, { mtime: { seconds: 981173107, nanoseconds: 987654321 } }, alice);
  worktree.create(parent, ".x.swp", 0o600, alice).release(alice);
}

test("export: bytes, executable bit, times, links and empty directories come out as they went in", async () => {
  await withStore("any", async (store) => {
    fill(store);
    const target = join(store.folder, "new", "target");
    const seen: number[] = [];
    const counts = await exportBook(store.reader, BOOK, target, {
      onProgress: ({ files, totalFiles }) => seen.push(files / totalFiles),
    });
    const { manifestHash, seq, ...written } = counts;
    assert.deepEqual(written, { files: 3, symlinks: 1, directories: 3, sizeBytes: LARGE.length + 24 });
    assert.equal(
      manifestHash,
      manifestHashAt(store.reader.database, BOOK, seq),
      "the hash of what was written",
    );
    assert.equal(seen.at(-1), 1);
    assert.deepEqual(readdirSync(target).sort(), ["empty", LONG_NAME, "part", "run.sh"]);
    assert.deepEqual(readdirSync(join(target, "part")).sort(), ["large.bin", "link.md"]);
    assert.ok(LARGE.equals(readFileSync(join(target, "part", "large.bin"))));
    assert.equal(readFileSync(join(target, "run.sh"), "latin1"), "#!/bin/sh\r\n");
    const run = lstatSync(join(target, "run.sh"), { bigint: true });
    assert.deepEqual([run.mode & 0o100n, run.mtimeNs], [0o100n, 981173106123456789n]);
    assert.equal(readlinkSync(join(target, "part", "link.md")), "../run.sh");
    assert.equal(lstatSync(join(target, "part", "link.md"), { bigint: true }).mtimeNs, 981173107987654321n);
  });
});

test("export: a directory that is not empty is left alone, unless forced", async () => {
  await withStore("any", async (store) => {
    save(store.worktree, "a.md", "book");
    const target = join(store.folder, "target");
    mkdirSync(target);
    writeFileSync(join(target, "a.md"), "mine");
    writeFileSync(join(target, "other.md"), "mine");
    await assert.rejects(exportBook(store.reader, BOOK, target), { code: "EXISTS" });
    assert.equal(readFileSync(join(target, "a.md"), "utf8"), "mine");
    await exportBook(store.reader, BOOK, target, { force: true });
    assert.equal(readFileSync(join(target, "a.md"), "utf8"), "book");
    assert.equal(readFileSync(join(target, "other.md"), "utf8"), "mine");
    await assert.rejects(exportBook(store.reader, BOOK, join(target, "a.md")), { code: "EXISTS" });
    await assert.rejects(exportBook(store.reader, parseBookId("other"), target), { code: "NOT_FOUND" });
  });
});

test("export: no symbolic link in the target is followed", async () => {
  await withStore("any", async (store) => {
    save(store.worktree, "part/a.md", "book");
    save(store.worktree, "b.md", "book");
    const target = join(store.folder, "target");
    const outside = join(store.folder, "outside");
    mkdirSync(target);
    mkdirSync(outside);
    writeFileSync(join(outside, "b.md"), "mine");
    symlinkSync(join(outside, "b.md"), join(target, "b.md"));
    symlinkSync(outside, join(target, "part"));
    await assert.rejects(exportBook(store.reader, BOOK, target, { force: true }), { code: "EXISTS" });
    rmSync(join(target, "part"));
    await exportBook(store.reader, BOOK, target, { force: true });
    assert.equal(readFileSync(join(outside, "b.md"), "utf8"), "mine");
    assert.deepEqual(readdirSync(outside), ["b.md"]);
    assert.ok(lstatSync(join(target, "b.md")).isFile());
  });
});

test("R2: damaged bytes are never written; all others are, and the damaged named", async () => {
  await withStore("any", async (store) => {
    save(store.worktree, "bad.md", "bad");
    save(store.worktree, "large.bin", LARGE);
    save(store.worktree, "good.md", "good");
    writeFileSync(
      store.reader.objectPath(store.reader.file(BOOK, "large.bin")!.sha256),
      Buffer.alloc(LARGE.length),
    );
    tamper(store, "UPDATE blob SET data = CAST('dab' AS BLOB) WHERE data = CAST('bad' AS BLOB)");
    const target = join(store.folder, "target");
    await assert.rejects(exportBook(store.reader, BOOK, target), (error: Error & { code: string }) => {
      assert.equal(error.code, "CORRUPT");
      assert.match(error.message, /bad\.md/);
      assert.match(error.message, /large\.bin/);
      return true;
    });
    assert.deepEqual(readdirSync(target), ["good.md"]);
  });
});

test("export: a log with a path that leads out of the target writes nothing there", async () => {
  await withStore("any", async (store) => {
    save(store.worktree, "a.md", "x");
    tamper(store, "UPDATE audit_log SET path = '../out.md'");
    await assert.rejects(exportBook(store.reader, BOOK, join(store.folder, "target")), {
      code: "INVALID_PATH",
    });
    assert.deepEqual(readdirSync(store.folder).sort(), ["store", "target"]);
  });
});
