// Importing a directory: every byte, bit and time, nothing left out in silence, all or none of a batch.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { INLINE_MAX_BYTES } from "../../lib/blobs.ts";
import { readLog } from "../../lib/history.ts";
import { importBatch, readForImport, readInBatches } from "../../lib/import.ts";
import { scanForImport } from "../../lib/import-scan.ts";
import { fitScan } from "../../lib/validate.ts";
import { verifyStore } from "../../lib/verify.ts";
import { parseProfile } from "../../schema/profiles.ts";
import {
  alice,
  BOOK,
  importDirectory,
  placeOf,
  remove,
  save,
  type TestStore,
  withStore,
} from "./test-store.ts";

const LARGE = Buffer.alloc(INLINE_MAX_BYTES + 1, "large ");

/** Writes files below `folder/source` and returns that. */
function makeSource({ folder }: TestStore, files: Record<string, string | Uint8Array>): string {
  const source = join(folder, "source");
  mkdirSync(source, { recursive: true });
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(source, path)), { recursive: true });
    writeFileSync(join(source, path), bytes);
  }
  return source;
}

function pathsOf({ reader }: TestStore): string[] {
  return [...reader.filesOf(BOOK)].map((file) => file.path);
}

async function bytesOf({ reader }: TestStore, path: string): Promise<Buffer> {
  const file = reader.file(BOOK, path);
  assert.ok(file, path);
  return await reader.readBytes(file.sha256, path);
}

test("import: bytes, executable bit, time and empty directories come as they are", async () => {
  await withStore("any", async (store) => {
    const files = {
      "crlf.md": "\ufeffone\r\ntwo",
      "empty.md": "",
      "part/ümlaut.md": "ü",
      "part/limit.bin": LARGE.subarray(0, INLINE_MAX_BYTES),
      "part/large.bin": LARGE,
      "part/same.bin": LARGE,
    };
    const source = makeSource(store, files);
    mkdirSync(join(source, "empty", "below"), { recursive: true });
    chmodSync(join(source, "crlf.md"), 0o755);
    execFileSync("touch", ["-d", "2001-02-03T04:05:06.123456789Z", join(source, "crlf.md")]);
    execFileSync("touch", ["-d", "@-1.5", join(source, "empty.md")]);
    assert.deepEqual(await importDirectory(store, source), { created: 6, updated: 0, unchanged: 0 });
    for (const [path, bytes] of Object.entries(files))
      assert.ok(Buffer.from(bytes).equals(await bytesOf(store, path)), path);
    assert.deepEqual([...store.reader.directoriesOf(BOOK)], ["empty", "empty/below", "part"]);
    const { mode, mtime } = store.reader.file(BOOK, "crlf.md")!;
    assert.deepEqual([mode, mtime], [0o100755, { seconds: 981173106, nanoseconds: 123456789 }]);
    assert.deepEqual(store.reader.file(BOOK, "empty.md")?.mtime, { seconds: -2, nanoseconds: 500000000 });
    assert.deepEqual(await verifyStore(store.reader), []);
    assert.deepEqual(readdirSync(join(store.directory, "drafts")), []);
  });
});

test("FR-005: the answer says created, updated or unchanged, and only changes are logged", async () => {
  await withStore("any", async (store) => {
    const source = makeSource(store, { "a.md": "a", "b.md": "b", "c.md": "c" });
    execFileSync("touch", [
      "-d",
      "2020-01-01",
      join(source, "a.md"),
      join(source, "b.md"),
      join(source, "c.md"),
    ]);
    await importDirectory(store, source);
    const { fileId } = store.reader.file(BOOK, "a.md")!;
    writeFileSync(join(source, "a.md"), "A");
    chmodSync(join(source, "b.md"), 0o755);
    assert.deepEqual(await importDirectory(store, source), { created: 0, updated: 2, unchanged: 1 });
    const rows = [...readLog(store.reader, { bookId: BOOK })].map(({ operation, path }) => [operation, path]);
    assert.deepEqual(rows.slice(0, -3), [
      ["attributes", "b.md"],
      ["update", "a.md"],
    ]);
    // I1: it is the same file.
    assert.equal(store.reader.file(BOOK, "a.md")?.fileId, fileId);
    assert.deepEqual(await verifyStore(store.reader), []);
  });
});

test("import: into a directory of the book", async () => {
  await withStore("any", async (store) => {
    const source = makeSource(store, { "intro.md": "hello", "part/one.md": "1" });
    await importDirectory(store, source, "content/docs/");
    assert.deepEqual(pathsOf(store), ["content/docs/intro.md", "content/docs/part/one.md"]);
    await assert.rejects(scanForImport(source, { into: "../out" }), { code: "INVALID_PATH" });
  });
});

test("S1: scratch, .git and a mount's control files are left out, and said so", async () => {
  await withStore("any", async (store) => {
    const source = makeSource(store, {
      "a.md": "a",
      ".a.md.swp": "x",
      "a.md~": "x",
      ".git/config": "x",
      ".pfs/README": "x",
    });
    const scan = await scanForImport(source);
    assert.deepEqual(
      scan.files.map((file) => file.path),
      ["a.md"],
    );
    assert.deepEqual(scan.skipped.map((each) => each.path).sort(), [".a.md.swp", ".git", ".pfs", "a.md~"]);
    assert.ok(scan.skipped.every((each) => each.reason !== ""));
    const below = await scanForImport(source, { into: "copy" });
    assert.deepEqual(
      below.files.map((file) => file.path),
      ["copy/a.md"],
    );
  });
});

test("import: what a book cannot hold stops it, each named", async () => {
  await withStore("any", async (store) => {
    const source = makeSource(store, { "a.md": "a" });
    execFileSync("mkfifo", [join(source, "pipe")]);
    writeFileSync(Buffer.concat([Buffer.from(`${source}/`), Buffer.from([0x66, 0xff])]), "x");
    writeFileSync(join(source, "tab\tname.md"), "x");
    await assert.rejects(scanForImport(source), (error: Error & { code: string }) => {
      assert.match(error.message, /pipe is a fifo/);
      assert.match(error.message, /not UTF-8/);
      assert.match(error.message, /control character/);
      return true;
    });
    await assert.rejects(scanForImport(join(source, "absent")), { code: "NOT_FOUND" });
    await assert.rejects(scanForImport(join(source, "a.md")), { code: "USAGE" });
  });
});

test("R1: one file without a place stops the import of all, with a suggestion", async () => {
  await withStore("strict", async (store) => {
    const source = makeSource(store, {
      "content/01-Part/01-Chapter/01-fine.md": "x",
      "content/01-Part/01-Chapter/2 not fine.md": "x",
    });
    await assert.rejects(importDirectory(store, source), (error: Error & { code: string }) => {
      assert.equal(error.code, "SCHEMA_VIOLATION");
      assert.match(error.message, /Did you mean content\/01-Part\/01-Chapter\/02-not-fine\.md\?/);
      return true;
    });
    assert.deepEqual(pathsOf(store), []);
  });
});

test("R1: a batch with a file that has no place is refused as a whole, and logged", async () => {
  await withStore("strict", async (store) => {
    const source = makeSource(store, { "content/01-Part/01-Chapter/01-fine.md": "x", "other.md": "y" });
    const { files } = await scanForImport(source);
    const batch = await Promise.all(
      files.map((file) => readForImport(file, { storeDirectory: store.directory })),
    );
    assert.throws(() => importBatch(store.worktree, batch, [], alice), { code: "SCHEMA_VIOLATION" });
    assert.deepEqual(pathsOf(store), []);
    const rows = [...readLog(store.reader, { bookId: BOOK })];
    assert.deepEqual(
      rows.map(({ path, status }) => [path, status]),
      [["other.md", "refused"]],
    );
    assert.deepEqual(await verifyStore(store.reader), []);
  });
});

test("import: symbolic links are kept where the profile has them, and refused elsewhere", async () => {
  await withStore("any", async (store) => {
    const source = makeSource(store, { "a.md": "a" });
    symlinkSync("a.md", join(source, "link.md"));
    await importDirectory(store, source);
    assert.equal(store.reader.file(BOOK, "link.md")?.mode, 0o120000);
    assert.equal(String(await bytesOf(store, "link.md")), "a.md");
    const strict = parseProfile("strict");
    const scan = await scanForImport(source);
    assert.throws(() => fitScan(scan, strict), { code: "SCHEMA_VIOLATION" });
  });
});

test("import: empty directories that have no place are left out, and said so", async () => {
  await withStore("strict", async (store) => {
    const source = makeSource(store, { "static/img/a.png": "x" });
    mkdirSync(join(source, "drafts"));
    const scan = fitScan(await scanForImport(source), store.worktree.book.profile);
    assert.deepEqual(scan.directories, ["static", "static/img"]);
    assert.deepEqual(
      scan.skipped.map((each) => each.path),
      ["drafts"],
    );
  });
});

test("W1: an open file without a draft shows the imported bytes; a draft conflicts at its save", async () => {
  await withStore("any", async (store) => {
    const { worktree } = store;
    const first = worktree.open(save(worktree, "a.md", "old").fileId);
    const second = worktree.open(save(worktree, "b.md", "old").fileId);
    second.write(0, Buffer.from("mine"), alice);
    const changes: string[] = [];
    worktree.onChange((change) => changes.push(change.type));
    await importDirectory(store, makeSource(store, { "a.md": "imported", "b.md": "imported" }));
    assert.equal(changes.filter((type) => type === "content").length, 2);
    const target = Buffer.alloc(20);
    assert.equal(target.toString("utf8", 0, first.read(0, target)), "imported");
    assert.equal(first.node().size, 8);
    assert.throws(() => second.commit(alice, { durable: false }), { code: "CONFLICT" });
    assert.equal(String(await bytesOf(store, "b.md")), "imported");
    first.release(alice);
    second.release(alice);
    assert.deepEqual(await verifyStore(store.reader), []);
  });
});

test("I1: a file that was removed a moment ago and is imported again is the same file", async () => {
  await withStore("any", async (store) => {
    const { worktree } = store;
    const { fileId } = save(worktree, "a.md", "old");
    const { parent, name } = placeOf(worktree, "a.md");
    worktree.unlink(parent, name, alice);
    await importDirectory(store, makeSource(store, { "a.md": "new" }));
    worktree.settle(0);
    assert.equal(worktree.lookup(parent, name)?.fileId, fileId);
    assert.deepEqual(await verifyStore(store.reader), []);
    remove(worktree, "a.md");
    await importDirectory(store, makeSource(store, { "a.md": "new" }));
    assert.notEqual(worktree.lookup(parent, name)?.fileId, fileId);
  });
});

test("import: a file where the book has a directory, and the other way round, is refused and changes nothing", async () => {
  await withStore("any", async (store) => {
    save(store.worktree, "a/b.md", "x");
    await assert.rejects(importDirectory(store, makeSource(store, { "0.bin": LARGE, a: "file" })), {
      code: "EXISTS",
    });
    assert.deepEqual(pathsOf(store), ["a/b.md"]);
    rmSync(join(store.folder, "source"), { recursive: true });
    await assert.rejects(importDirectory(store, makeSource(store, { "a/b.md/c.md": "x" })), {
      code: "EXISTS",
    });
    assert.deepEqual(pathsOf(store), ["a/b.md"]);
    assert.deepEqual(readdirSync(join(store.directory, "drafts")), []);
    assert.deepEqual(await verifyStore(store.reader), []);
  });
});

test("import: the executable bit follows, other permission bits of this machine stay", async () => {
  await withStore("any", async (store) => {
    const { worktree } = store;
    const { fileId } = save(worktree, "a.sh", "x");
    worktree.setAttributes(fileId, { mode: 0o640 }, alice);
    const source = makeSource(store, { "a.sh": "y" });
    chmodSync(join(source, "a.sh"), 0o755);
    await importDirectory(store, source);
    assert.equal((worktree.get(fileId)?.mode ?? 0).toString(8), "100750");
    chmodSync(join(source, "a.sh"), 0o644);
    await importDirectory(store, source);
    assert.equal((worktree.get(fileId)?.mode ?? 0).toString(8), "100640");
  });
});

test("R2: importing a damaged file again mends it", async () => {
  await withStore("any", async (store) => {
    const source = makeSource(store, { "small.md": "small", "large.bin": LARGE });
    await importDirectory(store, source);
    const file = store.reader.file(BOOK, "large.bin")!;
    writeFileSync(store.reader.objectPath(file.sha256), "damaged");
    store.library.store.database.prepare("UPDATE blob SET data = x'00' WHERE data IS NOT NULL").run();
    assert.equal((await verifyStore(store.reader)).length, 2);
    assert.deepEqual(await importDirectory(store, source), { created: 0, updated: 0, unchanged: 2 });
    assert.deepEqual(await verifyStore(store.reader), []);
    assert.ok(LARGE.equals(readFileSync(store.reader.objectPath(file.sha256))));
  });
});

test("import: ending the reading early leaves nothing staged", async () => {
  await withStore("any", async (store) => {
    const files = Object.fromEntries(
      Array.from({ length: 5 }, (_, at) => [`${at}.bin`, Buffer.alloc(3 << 20, at)]),
    );
    const { files: scanned } = await scanForImport(makeSource(store, files));
    for await (const batch of readInBatches(scanned, { storeDirectory: store.directory })) {
      assert.equal(batch.length, 2);
      importBatch(store.worktree, batch, [], alice);
      break;
    }
    assert.deepEqual(readdirSync(join(store.directory, "drafts")), []);
    assert.deepEqual(pathsOf(store), ["0.bin", "1.bin"]);
  });
});
