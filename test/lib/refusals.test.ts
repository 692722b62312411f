// What the worktree refuses, with which code, what it keeps, and what the log says of it.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { truncateSync, writeFileSync } from "node:fs";
import { test } from "node:test";
import { importBatch } from "../../lib/import.ts";
import { FileType } from "../../lib/node.ts";
import { now } from "../../lib/time.ts";
import { recordVersion } from "../../lib/worktree/save.ts";
import { type ErrorCode, PfsError, PosixError } from "../../schema/errors.ts";
import { type BlobHash, newFileId } from "../../schema/ids.ts";
import type { TreePath } from "../../schema/paths.ts";
import { builtInProfile, parseProfile } from "../../schema/profiles.ts";
import { ALICE, actorNamed, type BookFixture, closing, contentOf, withBook } from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

const STRICT = { profile: builtInProfile("strict") };

function assertRefused(code: ErrorCode, path: string | undefined, body: () => void): PfsError {
  let thrown: unknown;
  try {
    body();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof PfsError, `${thrown}`);
  assert.equal(thrown.code, code);
  if (path !== undefined) {
    assert.equal(thrown.path, path);
    assert.ok(thrown.message.includes(path), thrown.message);
  }
  return thrown;
}

function isPosix(code: string): (error: unknown) => boolean {
  return (error) => error instanceof PosixError && error.code === code;
}

/** Another writer, as a pull or an import is one: a new version of a path, without any open file. */
function writeElsewhere(book: BookFixture, path: string, text: string): void {
  const { tree } = book.worktree;
  const bytes = Buffer.from(text);
  const hash = createHash("sha256").update(bytes).digest("hex") as BlobHash;
  tree.store.transaction(() => {
    tree.blobs.putInline(hash, bytes);
    const { parent } = book.spot(path);
    const present = tree.journal.get(path);
    recordVersion(
      tree,
      {
        path: path as TreePath,
        parent,
        fileId: newFileId(),
        hash,
        size: bytes.byteLength,
        mode: 0o100644,
        mtime: now(),
        storage: "inline",
      },
      present?.sha256 ?? null,
      actorNamed("bob"),
      performance.now(),
    );
  });
}

test("R1: no path outside of the schema is created, made or renamed to; each refusal is logged and told", () => {
  withBook((book) => {
    book.makeDirectories("content/01-Part/01-Chapter");
    book.write("content/01-Part/01-Chapter/01-lesson.md", "x");
    const { worktree } = book;
    assertRefused("SCHEMA_VIOLATION", "notes.txt", () => book.create("notes.txt"));
    assertRefused("SCHEMA_VIOLATION", "content/Part", () => book.makeDirectory("content/Part"));
    assertRefused("SCHEMA_VIOLATION", "content/x.md", () =>
      book.rename("content/01-Part/01-Chapter/01-lesson.md", "content/x.md"),
    );
    assertRefused("SCHEMA_VIOLATION", "static", () => book.symlink("content", "static"));
    assertRefused("SCHEMA_VIOLATION", "fifo", () =>
      worktree.makeNode(worktree.rootId, "fifo", FileType.fifo, ALICE),
    );
    assertRefused("INVALID_PATH", undefined, () => book.create("content/a\u0007"));
    assert.throws(() => book.create(`content/${"x".repeat(256)}`), isPosix("ENAMETOOLONG"));
    assert.deepEqual(book.story(1), [
      "refused create notes.txt",
      "refused create content/Part",
      "refused create content/x.md",
      "refused create static",
      "refused create fifo",
    ]);
    assert.equal(worktree.refusals.list().length, 6);
    assert.ok(worktree.refusals.list().every(({ agent, hint }) => agent === "alice" && hint !== null));
    assert.equal(book.text("content/01-Part/01-Chapter/01-lesson.md"), "x");
    assertSound(book.library);
    assertAtRest(book.library);
  }, STRICT);
});

test("R1, R6: a refusal in the midst of a transaction undoes that, and is in the log all the same, once", () => {
  withBook((book) => {
    const { worktree } = book;
    assertRefused("SCHEMA_VIOLATION", "notes", () =>
      importBatch(worktree, [], ["content", "content/01-Part", "notes"], ALICE),
    );
    assert.deepEqual(book.list(""), []);
    assert.deepEqual(book.story(), ["refused create notes"]);
    const told: string[] = [];
    book.library.log.onRow(({ path }) => told.push(path));
    assertRefused("SCHEMA_VIOLATION", "more", () => importBatch(worktree, [], ["more"], ALICE));
    importBatch(worktree, [], ["content", "static"], ALICE);
    assert.deepEqual(told, ["more"]);
    assert.deepEqual(
      worktree.refusals.list().map(({ path }) => path),
      ["notes", "more"],
    );
    assertSound(book.library);
  }, STRICT);
});

test("R1: a directory is not renamed where one of its files would not fit, saved or not: nothing changes", () => {
  const profile = parseProfile({ name: "own", patterns: ["a/**/*.md", "b/*.md", "b/sub/{any}"] });
  withBook(
    (book) => {
      book.makeDirectories("a/d/sub");
      book.write("a/d/one.md", "1");
      book.write("a/d/sub/two.md", "2");
      book.makeDirectories("b");
      const before = book.library.log.seq;
      assertRefused("SCHEMA_VIOLATION", "b/d", () => book.rename("a/d", "b/d"));
      assertRefused("SCHEMA_VIOLATION", "b/sub/sub/two.md", () => book.rename("a/d", "b/sub"));
      assert.deepEqual(book.list("a/d").sort(), ["one.md", "sub"]);
      assert.equal(book.text("a/d/sub/two.md"), "2");
      book.unlink("a/d/sub/two.md");
      const file = book.create("a/d/sub/three.md");
      assertRefused("SCHEMA_VIOLATION", "b/sub/sub/three.md", () => book.rename("a/d", "b/sub"));
      file.release(ALICE);
      book.settle();
      assert.deepEqual(book.story(before).slice(0, 2), [
        "refused create b/d",
        "refused rename a/d/sub/two.md",
      ]);
      assertSound(book.library);
      assertAtRest(book.library);
    },
    { profile },
  );
});

test("W1, W2: a save that builds on a version that is no longer current is refused, and its bytes are kept", () => {
  withBook((book) => {
    book.write("x", "base");
    const file = book.open("x");
    file.write(0, Buffer.from("mine"), ALICE);
    writeElsewhere(book, "x", "theirs");
    const error = assertRefused("CONFLICT", "x", () => file.commit(ALICE, { durable: true }));
    const again = assertRefused("CONFLICT", "x", () => file.commit(ALICE, { durable: false }));
    assert.equal(again, error, "every retry gets the same answer");
    assertRefused("CONFLICT", "x", () => file.write(0, Buffer.from("more"), ALICE));
    assert.equal(book.text("x"), "theirs", "who opens it now sees the current version");
    assert.equal(contentOf(file).toString(), "mine", "who had it open still sees what was refused");
    file.release(ALICE);
    assert.deepEqual(book.story(), ["create x", "update x", "refused update x"]);
    const [id = 0] = book.worktree.conflicts.ids(0);
    assert.match(error.message, new RegExp(`\\(conflict ${id}\\)`));
    const conflict = book.worktree.conflicts.get(id);
    assert.deepEqual(
      [conflict?.path, conflict?.agent, conflict?.theirs],
      ["x", "alice", book.node("x").hash],
    );
    book.write("x", "after");
    assert.equal(book.text("x"), "after");
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("W1: of two that create one path unseen by each other the second is refused, whoever closes last", () => {
  withBook((book) => {
    const file = book.create("x");
    file.write(0, Buffer.from("mine"), ALICE);
    writeElsewhere(book, "x", "theirs");
    assertRefused("CONFLICT", "x", () => closing(file, ALICE, () => {}));
    assert.equal(book.text("x"), "theirs");
    assert.equal(book.worktree.tree.newborns.size, 0);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("W2: a conflict at the release of the last handle keeps the bytes, too; twice in a millisecond, twice", () => {
  withBook((book) => {
    for (let round = 0; round < 5; round++) {
      book.write("x", `base ${round}`);
      const file = book.open("x");
      file.write(0, Buffer.from("mine"), ALICE);
      writeElsewhere(book, "x", `theirs ${round}`);
      assertRefused("CONFLICT", "x", () => file.release(ALICE));
      assertAtRest(book.library);
    }
    assert.equal(book.worktree.conflicts.count, 5);
    assertSound(book.library);
  });
});

test("TOO_LARGE: by write, truncate, allocate and rename from scratch; nothing changes", () => {
  withBook(
    (book) => {
      book.write("x", "fits");
      const file = book.open("x");
      assertRefused("TOO_LARGE", "x", () => file.write(999, Buffer.from("ab"), ALICE));
      assertRefused("TOO_LARGE", "x", () => file.truncate(1001, ALICE));
      assertRefused("TOO_LARGE", "x", () => file.allocate(0, 900, 200, ALICE));
      file.write(999, Buffer.from("a"), ALICE);
      closing(file, ALICE, () => file.truncate(4, ALICE));
      book.write("x.tmp", Buffer.alloc(2000));
      assertRefused("TOO_LARGE", "x", () => book.rename("x.tmp", "x"));
      assertRefused("TOO_LARGE", "x", () => book.rename("x.tmp", "x", { noReplace: false, exchange: true }));
      const { fileId } = book.node("x");
      assertRefused("TOO_LARGE", "x", () => book.worktree.setAttributes(fileId, { size: 5000 }, ALICE));
      assert.equal(book.text("x"), "fits");
      assert.equal(book.node("x.tmp").size, 2000);
      const orphan = book.open("x");
      book.unlink("x");
      orphan.write(5000, Buffer.from("a"), ALICE);
      orphan.release(ALICE);
      assertSound(book.library);
      assertAtRest(book.library);
    },
    { fileSizeLimitBytes: 1000 },
  );
});

test("NOT_PERMITTED: hard links of the book's files, and devices; also at a path that waits (R6)", () => {
  withBook((book) => {
    book.write("x", "1");
    book.write("y", "2");
    book.unlink("y");
    book.write("s.tmp", "3");
    const { worktree } = book;
    assertRefused("NOT_PERMITTED", "z", () => book.link("x", "z"));
    assert.throws(() => book.link("x", "x.tmp"), isPosix("EPERM"));
    assertRefused("NOT_PERMITTED", "y", () => book.link("s.tmp", "y"));
    assertRefused("NOT_PERMITTED", "y", () =>
      worktree.makeNode(worktree.rootId, "y", 0o020000 | 0o600, ALICE),
    );
    assertRefused("NOT_PERMITTED", "z", () =>
      worktree.makeNode(worktree.rootId, "z", 0o060000 | 0o600, ALICE),
    );
    assert.throws(() => book.link("x", "x"), isPosix("EEXIST"));
    book.settle();
    assertSound(book.library);
  });
});

test("R2: damaged small bytes are CORRUPT, named, and never given out; saving the same bytes mends them", () => {
  withBook((book) => {
    book.write("x", "good bytes");
    const { database } = book.library.store;
    database
      .prepare("UPDATE blob SET data = ? WHERE sha256 = ?")
      .run(Buffer.from("evil bytes"), book.node("x").hash);
    const error = assertRefused("CORRUPT", "x", () => book.bytes("x"));
    assert.ok(error.message.includes(book.node("x").hash as string));
    assertRefused("CORRUPT", "x", () => book.append("x", "!"));
    assertAtRest(book.library);
    book.write("y", "good bytes");
    assert.equal(book.text("x"), "good bytes");
    assertSound(book.library);
    database.prepare("DELETE FROM blob").run();
    assertRefused("CORRUPT", "x", () => book.bytes("x"));
  });
});

test("R2: damaged and lost large bytes are CORRUPT and named; saving the same bytes mends them", () => {
  const bytes = Buffer.alloc(300_000, "good");
  withBook((book) => {
    book.write("x", bytes);
    const hash = book.node("x").hash as BlobHash;
    const object = book.library.blobs.objectPath(hash);
    writeFileSync(object, Buffer.alloc(300_000, "evil"));
    assertRefused("CORRUPT", "x", () => book.bytes("x"));
    assertRefused("CORRUPT", "x", () => book.rename("x", "x~"));
    book.write("y", bytes);
    assert.deepEqual(book.bytes("x"), bytes);
    truncateSync(object, 3);
    assertRefused("CORRUPT", "x", () => book.bytes("x"));
    book.write("z", bytes);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("R7: rows without an agent who answers for them are refused by the table", () => {
  withBook((book) => {
    for (const agent of ["", " ", "system", "System", " SYSTEM "]) {
      const nobody = { ...ALICE, agent: agent as typeof ALICE.agent };
      const file = book.create("x", nobody);
      assert.throws(() => closing(file, nobody, () => {}), /CHECK constraint failed/, JSON.stringify(agent));
      assertAtRest(book.library);
    }
    assert.equal(book.find("x"), undefined);
    assertSound(book.library);
  });
});

test("FR-023: rows of the log are neither changed nor removed", () => {
  withBook((book) => {
    book.write("x", "1");
    const { database } = book.library.store;
    for (const sql of [
      "UPDATE audit_log SET agent_id = 'mallory'",
      "DELETE FROM audit_log",
      "INSERT OR REPLACE INTO audit_log SELECT * FROM audit_log",
    ]) {
      assert.throws(() => database.exec(sql), /append-only|UNIQUE/, sql);
    }
    assertSound(book.library);
  });
});
