// Bringing an exported directory up to date: what comes of it is what a whole export is, whatever happened to the book;
// what somebody changed in the directory stays; one that was killed is finished by the next.

import "../property-seed.ts";
import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { exportBook } from "../../lib/export.ts";
import { type ExportedChanges, exportChanges } from "../../lib/export-changes.ts";
import type { Seq } from "../../schema/ids.ts";
import { alice, BOOK, move, placeOf, remove, save, type TestStore, tamper, withStore } from "./test-store.ts";

/** Every path below a directory with what it is; directories too, if `directories` says so. */
function contents(directory: string, at = ""): string[] {
  return readdirSync(join(directory, at))
    .sort()
    .flatMap((name) => {
      const path = join(at, name);
      const place = join(directory, path);
      const { mode, mtimeNs } = lstatSync(place, { bigint: true });
      const stats = lstatSync(place);
      if (stats.isDirectory()) return [`${path}/`, ...contents(directory, path)];
      const bytes = stats.isSymbolicLink() ? readlinkSync(place) : readFileSync(place, "latin1");
      return [`${path} ${mode.toString(8)} ${mtimeNs} ${bytes}`];
    });
}

const seqOf = ({ library }: TestStore): Seq => library.log.seq as Seq;

async function bring(
  store: TestStore,
  directory: string,
  from: Seq,
  force = false,
): Promise<ExportedChanges> {
  return exportChanges(store.reader, { bookId: BOOK, from, to: seqOf(store), directory, force });
}

test("FR-027: whatever happened to a book, the changes make of one export what a whole export is; doing it again does nothing", async () => {
  const path = fc.constantFrom("a", "b", "d/a", "d/b", "d/sub/c", "e");
  const step = fc.oneof(
    fc.record({ do: fc.constant("save"), path, text: fc.constantFrom("1", "2") }),
    fc.record({ do: fc.constant("link"), path, text: fc.constantFrom("a", "b") }),
    fc.record({ do: fc.constantFrom("remove", "run"), path, text: fc.constant("") }),
    fc.record({ do: fc.constant("move"), path, text: path }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 12 }), fc.array(step, { maxLength: 12 }), (first, then) =>
      withStore("any", async (store) => {
        save(store.worktree, "kept", "kept");
        for (const each of first) attempt(store, each);
        const copy = join(store.folder, "copy");
        await exportBook(store.reader, BOOK, copy);
        for (const path of emptyDirectories(copy)) rmSync(join(copy, path), { recursive: true });
        const from = seqOf(store);
        for (const each of then) attempt(store, each);
        store.worktree.settle(0);
        await bring(store, copy, from);
        const whole = join(store.folder, "whole");
        await exportBook(store.reader, BOOK, whole);
        for (const path of emptyDirectories(whole)) rmSync(join(whole, path), { recursive: true });
        assert.deepEqual(contents(copy), contents(whole));
        assert.deepEqual(await bring(store, copy, from), { written: 0, deleted: 0, sizeBytes: 0 });
      }),
    ),
    { numRuns: 40 },
  );
});

/** They are this machine's only: no state of the book has them. */
function emptyDirectories(directory: string, at = ""): string[] {
  const names = readdirSync(join(directory, at), { withFileTypes: true });
  const inside = names.filter((name) => name.isDirectory()).map(({ name }) => join(at, name));
  const empty = inside.filter((path) => emptyDirectories(directory, path).includes(path));
  const isEmpty = at !== "" && names.length === empty.length;
  return [...inside.flatMap((path) => emptyDirectories(directory, path)), ...(isEmpty ? [at] : [])].reverse();
}

/** What cannot be done is no matter: a directory is in the way, or nothing is there. */
function attempt(
  store: TestStore,
  { do: what, path, text }: { do: string; path: string; text: string },
): void {
  const { worktree } = store;
  try {
    const { parent, name } = placeOf(worktree, path);
    const node = worktree.lookup(parent, name);
    if (what === "save") save(worktree, path, text);
    else if (what === "remove") remove(worktree, path);
    else if (what === "move") move(worktree, path, text);
    else if (what === "run" && node !== undefined)
      worktree.setAttributes(node.fileId, { mode: 0o755 }, alice);
    else if (what === "link") worktree.makeSymlink(parent, name, Buffer.from(text), alice);
  } catch (error) {
    assert.match((error as { code?: string }).code ?? String(error), /^E[A-Z]+$/);
  }
}

test("FR-027: only what changed is written, with its executable bit and time; what was deleted goes, with its directory", async () => {
  await withStore("any", async (store) => {
    const { worktree, folder } = store;
    for (const path of ["kept.md", "changed.md", "d/e/gone.md", "run.sh", "moved.md"])
      save(worktree, path, "old");
    const copy = join(folder, "copy");
    const { seq: from } = await exportBook(store.reader, BOOK, copy);
    writeFileSync(join(copy, "own.md"), "mine");
    utimesSync(join(copy, "kept.md"), 1, 1);
    save(worktree, "changed.md", "new");
    remove(worktree, "d/e/gone.md");
    const { parent, name } = placeOf(worktree, "run.sh");
    const run = worktree.lookup(parent, name)!;
    worktree.setAttributes(run.fileId, { mode: 0o755, mtime: { seconds: 5, nanoseconds: 7 } }, alice);
    move(worktree, "moved.md", "f/moved.md");
    assert.deepEqual(await bring(store, copy, from), { written: 3, deleted: 2, sizeBytes: 9 });
    assert.deepEqual(readdirSync(copy).sort(), ["changed.md", "f", "kept.md", "own.md", "run.sh"]);
    assert.equal(lstatSync(join(copy, "kept.md")).mtimeMs, 1000, "what did not change is not touched");
    const { mode, mtimeNs } = lstatSync(join(copy, "run.sh"), { bigint: true });
    assert.deepEqual([mode & 0o100n, mtimeNs], [0o100n, 5_000_000_007n]);
    assert.equal(readFileSync(join(copy, "changed.md"), "utf8"), "new");
  });
});

test("FR-027: what somebody changed in the directory is neither written over nor deleted, and then nothing is done; with force it is", async () => {
  await withStore("any", async (store) => {
    const { worktree, folder } = store;
    for (const path of ["a.md", "b.md", "c.md", "d.md"]) save(worktree, path, "old");
    const copy = join(folder, "copy");
    const { seq: from } = await exportBook(store.reader, BOOK, copy);
    for (const path of ["a.md", "c.md"]) save(worktree, path, "new");
    for (const path of ["b.md", "d.md"]) remove(worktree, path);
    save(worktree, "e.md", "new");
    writeFileSync(join(copy, "a.md"), "mine");
    writeFileSync(join(copy, "b.md"), "mine");
    rmSync(join(copy, "d.md"));
    writeFileSync(join(copy, "e.md"), "mine");
    const before = contents(copy);
    await assert.rejects(bring(store, copy, from), (error: Error & { code: string; hint: string }) => {
      assert.equal(error.code, "EXISTS");
      assert.match(error.message, /somebody has changed a\.md, b\.md, e\.md\. Nothing was done\./);
      assert.match(error.hint, /--force/);
      return true;
    });
    assert.deepEqual(contents(copy), before);
    assert.deepEqual(await bring(store, copy, from, true), { written: 3, deleted: 1, sizeBytes: 9 });
    assert.deepEqual(readdirSync(copy).sort(), ["a.md", "c.md", "e.md"]);
    assert.equal(readFileSync(join(copy, "a.md"), "utf8"), "new");
  });
});

test("export: no symbolic link in a directory that is brought up to date is followed", async () => {
  await withStore("any", async (store) => {
    const { worktree, folder } = store;
    save(worktree, "d/a.md", "old");
    save(worktree, "b.md", "old");
    const [copy, outside] = [join(folder, "copy"), join(folder, "outside")];
    const { seq: from } = await exportBook(store.reader, BOOK, copy);
    mkdirSync(outside);
    writeFileSync(join(outside, "a.md"), "old");
    writeFileSync(join(outside, "b.md"), "old");
    rmSync(join(copy, "d"), { recursive: true });
    symlinkSync(outside, join(copy, "d"));
    save(worktree, "d/a.md", "new");
    save(worktree, "b.md", "new");
    for (const force of [false, true])
      await assert.rejects(bring(store, copy, from, force), {
        code: "EXISTS",
        message: /d is a symbolic link/,
      });
    remove(worktree, "d/a.md");
    await assert.rejects(bring(store, copy, from, true), { code: "EXISTS" });
    rmSync(join(copy, "d"));
    rmSync(join(copy, "b.md"));
    symlinkSync(join(outside, "b.md"), join(copy, "b.md"));
    await assert.rejects(bring(store, copy, from), { code: "EXISTS", message: /changed b\.md/ });
    await bring(store, copy, from, true);
    assert.deepEqual(
      ["a.md", "b.md"].map((name) => readFileSync(join(outside, name), "utf8")),
      ["old", "old"],
    );
    assert.ok(lstatSync(join(copy, "b.md")).isFile());
  });
});

test("export: a directory that was lost is not filled with the changes alone", async () => {
  await withStore("any", async (store) => {
    save(store.worktree, "a.md", "old");
    save(store.worktree, "b.md", "old");
    const copy = join(store.folder, "copy");
    const { seq: from } = await exportBook(store.reader, BOOK, copy);
    save(store.worktree, "a.md", "new");
    rmSync(copy, { recursive: true });
    await assert.rejects(bring(store, copy, from), { code: "NOT_FOUND", message: /is not there/ });
    assert.equal(existsSync(copy), false);
    mkdirSync(copy);
    await assert.rejects(bring(store, copy, from), { code: "NOT_FOUND", message: /is empty/ });
    assert.deepEqual(await bring(store, copy, 0 as Seq), { written: 2, deleted: 0, sizeBytes: 6 });
  });
});

test("export: what a killed one has done is not done again, what it left is cleared, and its end is a whole export", async () => {
  await withStore("any", async (store) => {
    const { worktree, folder } = store;
    for (const path of ["d/a.md", "d/b.md", "gone/c.md", "swap"]) save(worktree, path, "old");
    const copy = join(folder, "copy");
    const { seq: from } = await exportBook(store.reader, BOOK, copy);
    save(worktree, "d/a.md", "new");
    save(worktree, "d/b.md", "new");
    remove(worktree, "gone/c.md");
    remove(worktree, "swap");
    save(worktree, "swap/inner.md", "new");
    // Deleted what was to go, written one of three, killed within the second.
    const killed = join(folder, "killed");
    await exportBook(store.reader, BOOK, killed);
    rmSync(join(killed, "gone"), { recursive: true });
    writeFileSync(join(killed, "d/b.md"), "old");
    chmodSync(join(killed, "d/b.md"), 0o644);
    rmSync(join(killed, "swap"), { recursive: true });
    writeFileSync(join(killed, "d/.pfs-0123456789ab.tmp"), "half");
    assert.deepEqual(await bring(store, killed, from), { written: 2, deleted: 0, sizeBytes: 6 });
    await bring(store, copy, from);
    assert.deepEqual(contents(killed), contents(copy));
    assert.deepEqual(readdirSync(join(copy, "d")), ["a.md", "b.md"]);
  });
});

test("R2: damaged bytes are left out of an export of changes, and named; all others are written, and the next one tries again", async () => {
  await withStore("any", async (store) => {
    save(store.worktree, "a.md", "old");
    const copy = join(store.folder, "copy");
    const { seq: from } = await exportBook(store.reader, BOOK, copy);
    save(store.worktree, "a.md", "bad");
    save(store.worktree, "b.md", "good");
    tamper(store, "UPDATE blob SET data = CAST('dab' AS BLOB) WHERE data = CAST('bad' AS BLOB)");
    const isDamage = { code: "CORRUPT", message: /^a\.md cannot be read/ };
    await assert.rejects(bring(store, copy, from), isDamage);
    assert.deepEqual(
      ["a.md", "b.md"].map((path) => readFileSync(join(copy, path), "utf8")),
      ["old", "good"],
    );
    assert.deepEqual(readdirSync(copy), ["a.md", "b.md"]);
    await assert.rejects(bring(store, copy, from), isDamage);
    tamper(store, "UPDATE blob SET data = CAST('bad' AS BLOB) WHERE data = CAST('dab' AS BLOB)");
    assert.deepEqual(await bring(store, copy, from), { written: 1, deleted: 0, sizeBytes: 3 });
  });
});
