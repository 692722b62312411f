// Restoring: files come back as they were, under their old identity where that is free, as one logged change that touches
// nothing that somebody has not saved.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PastFiles } from "../../lib/past/past-files.ts";
import type { RestoredFile } from "../../lib/worktree/restore.ts";
import { PfsError } from "../../schema/errors.ts";
import { BASE, parseUserId, type Seq } from "../../schema/ids.ts";
import { actorNamed, BOOK, type BookFixture, contentOf, layerOf, withBook } from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

const BOB = actorNamed("bob");

function here(book: BookFixture): Seq {
  book.settle();
  return book.library.log.seq as Seq;
}

function restore(book: BookFixture, seq: Seq, ...paths: string[]): RestoredFile[] {
  return book.worktree.restore(seq, paths, BOB);
}

/** What was done, in short. */
function done(files: readonly RestoredFile[]): string[] {
  return files.map(({ path, outcome }) => `${outcome} ${path}`);
}

function refused(code: string, message: RegExp) {
  return (error: unknown): boolean => {
    assert.ok(error instanceof PfsError, String(error));
    assert.equal(error.code, code);
    assert.match(error.message, message);
    return true;
  };
}

/** Path, bytes and mode of every file of the book at a position. */
function state(book: BookFixture, seq: Seq): string[] {
  const files = new PastFiles(book.library.store.database, BOOK, BASE);
  return [...files.filesOf("", seq)].map(({ path, sha256, mode }) => `${path} ${sha256} ${mode.toString(8)}`);
}

test("a changed file has its old bytes and executable bit again, as an update of the same file by who asked for it", () => {
  withBook((book) => {
    book.write("a.md", "one");
    const { fileId, mtimeSeconds } = book.node("a.md");
    book.worktree.setAttributes(fileId, { mode: 0o755 }, BOB);
    const then = here(book);
    book.write("a.md", "two");
    book.worktree.setAttributes(fileId, { mode: 0o640 }, BOB);
    const before = here(book);
    assert.deepEqual(done(restore(book, then, "a.md")), ["updated a.md"]);
    const node = book.node("a.md");
    assert.deepEqual([book.text("a.md"), node.fileId, node.mode & 0o111], ["one", fileId, 0o110]);
    assert.ok(node.mtimeSeconds >= mtimeSeconds, "a restored file is newly written: build tools must see it");
    const [row, ...others] = book.log(before);
    assert.deepEqual([row?.operation, row?.agent_id, row?.status, others.length], ["update", "bob", "ok", 0]);
    assert.deepEqual(done(restore(book, then, "a.md")), ["unchanged a.md"]);
    assert.equal(here(book), row?.seq, "what is as it was gets no row");
    assertSound(book.library);
  });
});

test("I1: a deleted file comes back as the file that it was, with the directories that are missing", () => {
  withBook((book) => {
    book.makeDirectories("d/e");
    book.write("d/e/a.md", "text");
    book.write("d/e/large.bin", Buffer.alloc(200_000, "x"));
    const { fileId } = book.node("d/e/a.md");
    const then = here(book);
    for (const name of ["a.md", "large.bin"]) book.unlink(`d/e/${name}`);
    book.removeDirectory("d/e");
    book.removeDirectory("d");
    book.settle();
    assert.deepEqual(done(restore(book, then, "d")), ["recreated d/e/a.md", "recreated d/e/large.bin"]);
    assert.deepEqual([book.text("d/e/a.md"), book.node("d/e/a.md").fileId], ["text", fileId]);
    assert.equal(book.bytes("d/e/large.bin").length, 200_000);
    assert.deepEqual(state(book, here(book)), state(book, then));
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("I1: a file that was moved stays where it is, and what comes back is a copy; within a restored directory it moves back", () => {
  withBook((book) => {
    book.makeDirectories("d/old");
    book.write("a.md", "a");
    book.write("d/old/b.md", "b");
    const [a, b] = [book.node("a.md").fileId, book.node("d/old/b.md").fileId];
    const then = here(book);
    book.rename("a.md", "moved.md");
    book.rename("d/old", "d/new");
    book.write("d/new/b.md", "changed");
    assert.deepEqual(done(restore(book, then, "a.md")), ["recreated a.md"]);
    assert.equal(book.node("moved.md").fileId, a);
    assert.notEqual(book.node("a.md").fileId, a);
    assert.deepEqual(done(restore(book, then, "d")), ["removed d/new/b.md", "recreated d/old/b.md"]);
    assert.deepEqual([book.node("d/old/b.md").fileId, book.text("d/old/b.md")], [b, "b"]);
    assert.deepEqual(book.list("d"), ["old"], "a directory that the restore has emptied goes");
    assertSound(book.library);
  });
});

test("I1: what comes back in an overlay is a copy where the base has moved its file to the place of another", () => {
  withBook((book) => {
    const carl = layerOf(book, parseUserId("carl"));
    book.write("b.md", "base's");
    const { fileId } = book.node("b.md");
    carl.write("b.md", "carl's b");
    carl.write("a.md", "carl's a");
    const then = here(book);
    carl.worktree.revert([""], BOB);
    book.rename("b.md", "a.md");
    assert.deepEqual(done(restore(carl, then, "")), ["recreated a.md", "recreated b.md"]);
    assert.deepEqual([carl.text("a.md"), carl.text("b.md")], ["carl's a", "carl's b"]);
    assert.equal(carl.node("a.md").fileId, fileId, "a version of what the base has there");
    assert.notEqual(carl.node("b.md").fileId, fileId);
    carl.worktree.revert(["a.md"], BOB);
    assert.equal(carl.text("a.md"), "base's");
    assertSound(book.library);
  });
});

test("a directory is as it was: what came since is removed, what is beside it stays, in one transaction", () => {
  withBook((book) => {
    book.makeDirectories("d/sub");
    book.makeDirectories("dd");
    book.write("d/a.md", "a");
    book.write("d/sub/b.md", "b");
    book.write("dd/c.md", "c");
    const then = here(book);
    book.write("d/a.md", "changed");
    book.unlink("d/sub/b.md");
    book.makeDirectories("d/new/deep");
    book.write("d/new/deep/x.md", "x");
    book.write("dd/c.md", "changed, too");
    const before = here(book);
    assert.deepEqual(done(restore(book, then, "d")), [
      "updated d/a.md",
      "removed d/new/deep/x.md",
      "recreated d/sub/b.md",
    ]);
    const rows = book.log(before);
    assert.equal(new Set(rows.map(({ timestamp }) => timestamp)).size, 1);
    assert.equal(book.text("dd/c.md"), "changed, too");
    assert.deepEqual(book.list("d").sort(), ["a.md", "sub"]);
    assert.deepEqual(done(restore(book, then, "")), [
      "unchanged d/a.md",
      "unchanged d/sub/b.md",
      "updated dd/c.md",
    ]);
    assert.deepEqual(state(book, here(book)), state(book, then));
    assert.deepEqual(done(restore(book, before, "d/new", "d/a.md")), [
      "updated d/a.md",
      "recreated d/new/deep/x.md",
    ]);
    assertSound(book.library);
  });
});

test("W1: nothing is restored while somebody has unsaved changes of one of the files, or makes a new one there", () => {
  withBook((book) => {
    book.makeDirectories("d");
    for (const name of ["a", "b", "c"]) book.write(`d/${name}.md`, name);
    const then = here(book);
    book.write("d/a.md", "changed");
    book.write("d/new.md", "new");
    book.unlink("d/c.md");
    const before = here(book);
    for (const path of ["d/a.md", "d/new.md"]) {
      const draft = book.open(path);
      draft.write(0, Buffer.from("DRAFT"), BOB);
      assert.throws(
        () => restore(book, then, "d"),
        refused("CONFLICT", new RegExp(`Somebody is writing ${path}`)),
      );
      draft.truncate(0, BOB);
      draft.write(0, Buffer.from(path === "d/a.md" ? "changed" : "new"), BOB);
      draft.commit(BOB, { durable: false });
      draft.release(BOB);
    }
    const newborn = book.create("d/c.md");
    assert.throws(() => restore(book, then, "d"), refused("CONFLICT", /Somebody is writing d\/c\.md/));
    assert.equal(
      book.log(before).filter(({ agent_id, operation }) => agent_id === "bob" && operation !== "attributes")
        .length,
      0,
    );
    book.unlink("d/c.md");
    newborn.release(BOB);
    assert.equal(restore(book, then, "d").length, 4);
    assert.deepEqual(state(book, here(book)), state(book, then));
  });
});

test("whoever has a file open and has written nothing sees what was restored", () => {
  withBook((book) => {
    book.write("a.md", "one");
    const then = here(book);
    book.write("a.md", "second");
    book.write("b.md", "b");
    const [a, b] = [book.open("a.md"), book.open("b.md")];
    const told: string[] = [];
    book.worktree.onChange((change) => told.push(change.type));
    restore(book, then, "");
    assert.equal(contentOf(a).toString(), "one");
    assert.equal(contentOf(b).toString(), "b", "a removed file stays readable for who has it open");
    assert.deepEqual(told.includes("content") && told.includes("entry"), true);
    for (const file of [a, b]) file.release(BOB);
    assertAtRest(book.library);
  });
});

test("what cannot be restored changes nothing: not there then, something in the way, damaged bytes, no path", () => {
  withBook((book) => {
    book.makeDirectories("d");
    book.write("d/a.md", "a");
    book.write("b", "a file");
    book.write("gone.md", "gone");
    const then = here(book);
    book.write("d/a.md", "changed");
    book.write("since.md", "since");
    book.unlink("b");
    book.makeDirectories("b");
    book.write("b/x.md", "now a directory");
    book.unlink("gone.md");
    const before = here(book);
    const cases: [code: string, message: RegExp, path: string][] = [
      ["NOT_FOUND", /^There was no since\.md in test-book at position 3\.$/, "since.md"],
      ["NOT_FOUND", /^There was no nowhere in/, "nowhere"],
      ["EXISTS", /^b is a directory in the book/, "b"],
      ["INVALID_PATH", /"\.\."/, "../x"],
    ];
    for (const [code, message, path] of cases) {
      assert.throws(() => restore(book, then, "d", path), refused(code, message));
    }
    assert.throws(
      () => restore(book, 0 as Seq, ""),
      refused("NOT_FOUND", /^There was no file in test-book at position 0/),
    );
    const { database } = book.library.store;
    const { new_hash: damaged } = book.log().find(({ path }) => path === "gone.md")!;
    database.prepare("UPDATE blob SET data = zeroblob(4) WHERE sha256 = ?").run(damaged);
    assert.throws(() => restore(book, then, "d", "gone.md"), refused("CORRUPT", /gone\.md cannot be read/));
    assert.equal(here(book), before);
    assert.equal(book.text("d/a.md"), "changed");
  });
});
