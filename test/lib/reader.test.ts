// Reading a store from beside its owner.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { INLINE_MAX_BYTES } from "../../lib/blobs.ts";
import { Library } from "../../lib/library.ts";
import { StoreReader } from "../../lib/reader.ts";
import { parseBookId } from "../../schema/ids.ts";
import { builtInProfile } from "../../schema/profiles.ts";
import { alice, BOOK, placeOf, save, tamper, withStore } from "./test-store.ts";

test("reader: sees what its owner has committed, and a snapshot what was then", async () => {
  await withStore("any", ({ worktree, reader }) => {
    save(worktree, "a.md", "1");
    const snapshot = reader.openSnapshot();
    try {
      save(worktree, "b.md", "22");
      assert.deepEqual(snapshot.countFiles(BOOK), { files: 1, sizeBytes: 1 });
      assert.deepEqual(reader.countFiles(BOOK), { files: 2, sizeBytes: 3 });
      assert.equal(reader.head().seq, snapshot.head().seq + 1);
    } finally {
      snapshot.close();
    }
  });
});

test("reader: lists a file, what is below a directory, or all, sorted by bytes", async () => {
  await withStore("any", ({ worktree, reader, library }) => {
    const paths = ["a.md", "d-x.md", "d/a.md", "d/e/b.md", "d0.md", "é.md", "\u{ffee}.md", "\u{1f600}.md"];
    for (const path of [...paths].reverse()) save(worktree, path, path);
    const list = (prefix?: string) => [...reader.filesOf(BOOK, prefix)].map((file) => file.path);
    assert.deepEqual(list(), paths);
    assert.deepEqual(list("d"), ["d/a.md", "d/e/b.md"]);
    assert.deepEqual(list("d/a.md"), ["d/a.md"]);
    assert.deepEqual(list("absent"), []);
    library.store.transaction(() => {
      for (let at = 0; at < 1100; at++) save(worktree, `many/${at}.md`, "");
    });
    assert.equal(new Set(list("many")).size, 1100);
    assert.throws(() => [...reader.filesOf(parseBookId("other"))], {
      code: "NOT_FOUND",
      hint: "It holds: my-book.",
    });
  });
});

test("reader: a path that was removed and is not settled yet is no longer part of the book", async () => {
  await withStore("any", ({ worktree, reader }) => {
    save(worktree, "a.md", "1");
    const { parent, name } = placeOf(worktree, "a.md");
    worktree.unlink(parent, name, alice);
    assert.deepEqual([...reader.filesOf(BOOK)], []);
    assert.equal(reader.file(BOOK, "a.md"), undefined);
  });
});

test("R2: bytes are verified when they are read, small and large", async () => {
  await withStore("any", async (store) => {
    const { worktree, reader } = store;
    const large = Buffer.alloc(INLINE_MAX_BYTES * 20, "large ");
    const files = [save(worktree, "small.md", "small"), save(worktree, "large.bin", large)];
    const [small, big] = files.map((node) => node.hash!) as [never, never];
    assert.equal(String(await reader.readBytes(small, "small.md")), "small");
    assert.ok(large.equals(await reader.readBytes(big, "large.bin")));
    store.library.store.rest();
    tamper(store, "UPDATE blob SET data = x'00' WHERE data IS NOT NULL");
    writeFileSync(reader.objectPath(big), Buffer.alloc(large.length));
    await assert.rejects(reader.readBytes(small, "small.md"), { code: "CORRUPT", path: "small.md" });
    await assert.rejects(reader.readBytes(big, "large.bin"), { code: "CORRUPT", path: "large.bin" });
    rmSync(reader.objectPath(big));
    await assert.rejects(reader.readBytes(big, "large.bin"), { code: "CORRUPT" });
  });
});

test("reader: opens a store that nobody has open, and refuses what is none", () => {
  const folder = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const sound = join(folder, "sound");
    const library = Library.open(sound);
    library.createBook(BOOK, builtInProfile("any"));
    library.close();
    const reader = StoreReader.open(sound);
    assert.deepEqual(
      reader.listBooks().map((book) => book.bookId),
      [BOOK],
    );
    reader.close();

    assert.throws(() => StoreReader.open(join(folder, "absent")), { code: "NOT_FOUND" });
    for (const name of ["garbage", "foreign", "newer"]) mkdirSync(join(folder, name));
    writeFileSync(join(folder, "garbage", "pfs.db"), Buffer.alloc(9000, "garbage"));
    assert.throws(() => StoreReader.open(join(folder, "garbage")), { code: "STORE_DAMAGED" });
    new Sqlite(join(folder, "foreign", "pfs.db")).exec("CREATE TABLE t (x)").close();
    assert.throws(() => StoreReader.open(join(folder, "foreign")), { code: "STORE_DAMAGED" });

    const newer = new Sqlite(join(sound, "pfs.db"));
    newer.pragma("user_version = 9999");
    newer.close();
    assert.throws(() => StoreReader.open(sound), { code: "UNSUPPORTED_VERSION" });
    truncateSync(join(sound, "pfs.db"), 8192);
    assert.throws(() => StoreReader.open(sound), { code: "STORE_DAMAGED" });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
