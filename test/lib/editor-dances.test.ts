// What editors and tools do around a save ends as one update of the same file (same file id) in the log.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Library } from "../../lib/library.ts";
import { FileType } from "../../lib/node.ts";
import { builtInProfile } from "../../schema/profiles.ts";
import { stepsOf } from "../fault/step-hook.ts";
import { ALICE, BOOK, type BookFixture, closing, EXCHANGE, PLAIN_RENAME, withBook } from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

const FOLDER = "content/01-Part/01-Chapter";
const LESSON = `${FOLDER}/01-lesson.md`;
const strict = builtInProfile("strict");

/** How each saves the new bytes of `LESSON`; `at` is a name beside it. */
const dances: Record<string, (book: BookFixture, at: (name: string) => string, bytes: Buffer) => void> = {
  "in place, as nano and VS Code": (book, _, bytes) => book.write(LESSON, bytes),
  "vim with its backup dance": (book, at, bytes) => {
    book.write(at("4913"), "");
    book.unlink(at("4913"));
    book.rename(LESSON, at("01-lesson.md~"));
    book.write(LESSON, bytes);
    book.unlink(at("01-lesson.md~"));
  },
  "vim with backupcopy": (book, at, bytes) => {
    book.write(at(".01-lesson.md.swp"), "swap");
    book.write(at("01-lesson.md~"), book.bytes(LESSON));
    book.write(LESSON, bytes);
    book.unlink(at("01-lesson.md~"));
    book.unlink(at(".01-lesson.md.swp"));
  },
  "vim that keeps its backup": (book, at, bytes) => {
    book.rename(LESSON, at("01-lesson.md~"));
    book.write(LESSON, bytes);
  },
  "emacs with its lock and a renamed backup": (book, at, bytes) => {
    book.symlink("alice@host.123:456", at(".#01-lesson.md"));
    book.rename(LESSON, at("01-lesson.md~"));
    book.write(LESSON, bytes);
    book.unlink(at(".#01-lesson.md"));
  },
  "emacs with a copied backup": (book, at, bytes) => {
    book.symlink("alice@host.123:456", at(".#01-lesson.md"));
    book.write(at("#01-lesson.md#"), bytes);
    book.write(at("01-lesson.md~"), book.bytes(LESSON));
    book.write(LESSON, bytes);
    book.unlink(at("#01-lesson.md#"));
    book.unlink(at(".#01-lesson.md"));
  },
  "sed -i": (book, at, bytes) => {
    book.write(at("sedA1b2C3"), bytes);
    book.rename(at("sedA1b2C3"), LESSON);
  },
  "perl -i": (book, at, bytes) => {
    const reader = book.open(LESSON);
    book.write(at("XXa1B2c3"), bytes);
    book.rename(at("XXa1B2c3"), LESSON);
    reader.release(ALICE);
  },
  rsync: (book, at, bytes) => {
    book.write(at(".01-lesson.md.AbC123"), bytes);
    book.rename(at(".01-lesson.md.AbC123"), LESSON);
  },
  "write-file-atomic": (book, at, bytes) => {
    book.write(at("01-lesson.md.1234567"), bytes);
    book.rename(at("01-lesson.md.1234567"), LESSON);
  },
  "git checkout": (book, _, bytes) => {
    book.unlink(LESSON);
    book.write(LESSON, bytes);
  },
  "a hard link as backup, as some write": (book, at, bytes) => {
    book.write(at("01-lesson.md.tmp"), bytes);
    book.link(at("01-lesson.md.tmp"), at("01-lesson.md~"));
    book.rename(at("01-lesson.md.tmp"), LESSON);
    book.unlink(at("01-lesson.md~"));
  },
  "renameat2 with RENAME_EXCHANGE": (book, at, bytes) => {
    book.write(at("01-lesson.md.tmp"), bytes);
    book.rename(at("01-lesson.md.tmp"), LESSON, EXCHANGE);
    book.unlink(at("01-lesson.md.tmp"));
  },
};

for (const size of ["small", "large"]) {
  for (const [name, dance] of Object.entries(dances)) {
    test(`I1: ${name} is one update of the same file in the log (${size})`, () => {
      withBook(
        (book) => {
          const [before, after] = ["old\r\n", "new\n"].map((text) =>
            Buffer.from(text.repeat(size === "small" ? 10 : 60_000)),
          ) as [Buffer, Buffer];
          book.makeDirectories(FOLDER);
          book.write(LESSON, before);
          const { fileId } = book.node(LESSON);
          const seq = book.library.log.seq;
          dance(book, (beside) => `${FOLDER}/${beside}`, after);
          book.settle();
          assert.deepEqual(book.story(seq), [`update ${LESSON}`]);
          assert.equal(book.node(LESSON).fileId, fileId);
          assert.deepEqual(book.bytes(LESSON), after);
          assertSound(book.library);
          assertAtRest(book.library);
          book.reopen();
          assert.equal(book.node(LESSON).fileId, fileId);
          assert.deepEqual(book.bytes(LESSON), after);
        },
        { profile: strict },
      );
    });
  }
}

test("a file moved to a scratch name and not written again is one delete, after it was waited for", () => {
  withBook((book) => {
    book.write("x", "bytes");
    const [identity] = book.rename("x", "x~");
    assert.equal(book.node("x~").fileId, identity?.to);
    assert.equal(book.find("x"), undefined);
    book.worktree.settle(60_000);
    assert.deepEqual(book.story(), ["create x"], "not yet");
    assert.equal(book.worktree.hasVacancies, true);
    book.settle();
    assert.deepEqual(book.story(), ["create x", "delete x"]);
    assert.equal(book.worktree.hasVacancies, false);
    assert.equal(book.text("x~"), "bytes");
    assert.equal(book.node("x~").tracked, false);
    book.settle();
    assert.deepEqual(book.story(), ["create x", "delete x"], "R3: once");
    assertSound(book.library);
  });
});

test("R7: the delete is on behalf of who moved the file away, however it comes to be settled", () => {
  withBook((book) => {
    const bob = { ...ALICE, agent: "bob" as typeof ALICE.agent, command: () => "mv" };
    book.write("x", "old");
    book.write("y", "other");
    book.rename("x", "x~", PLAIN_RENAME, bob);
    book.rename("y", "x");
    const rows = book
      .log(2)
      .map(({ operation, path, agent_id, command }) => [operation, path, agent_id, command]);
    assert.deepEqual(rows, [
      ["rename", "y", "alice", "test"],
      ["delete", "x", "bob", "mv"],
      ["rename", "x", "alice", "test"],
    ]);
    assertSound(book.library);
  });
});

test("S1: what is moved to a scratch name is out of the book, under `any` a plain other name is a rename", () => {
  withBook((book) => {
    book.write("x", "bytes");
    const { fileId } = book.node("x");
    book.rename("x", "x.bak");
    assert.deepEqual(book.story(1), ["rename x", "rename x.bak"]);
    assert.equal(book.node("x.bak").fileId, fileId);
    assertSound(book.library);
  });
  withBook(
    (book) => {
      book.makeDirectories(FOLDER);
      book.write(LESSON, "bytes");
      book.rename(LESSON, `${LESSON}.bak`);
      book.settle();
      assert.deepEqual(book.story(1), [`delete ${LESSON}`]);
      assert.equal(book.node(`${LESSON}.bak`).tracked, false);
      assertSound(book.library);
    },
    { profile: strict },
  );
});

/** Not closed in order: the store is opened anew with the vacancy in it. */
function crash(book: BookFixture): void {
  book.library.store.close();
  book.library = Library.open(book.directory);
  book.worktree = book.library.worktree(BOOK);
}

test("FR-002: what a lesson was moved to is on the disk before the log says that the lesson is gone", () => {
  withBook((book) => {
    for (const [path, bytes] of [
      ["small", "bytes"],
      ["large", Buffer.alloc(200_000)],
    ] as const) {
      book.write(path, bytes);
      book.rename(path, `${path}~`);
      assert.deepEqual(
        stepsOf(() => book.settle()).filter((step) => step.startsWith("scratch") || step === "log.written"),
        ["scratch.synced", "log.written"],
      );
      book.write("other", "other");
      book.write(path, bytes);
      book.rename(path, `${path}~`);
      const steps = stepsOf(() => book.rename("other", path));
      assert.ok(steps.includes("scratch.synced"), "also when another file comes there");
      book.unlink(path);
      book.settle();
    }
    assertSound(book.library);
  });
});

test("a daemon killed in the middle of a backup dance: the path shows its last version again, beside the backup", () => {
  withBook((book) => {
    for (const size of [5, 200_000]) {
      const bytes = Buffer.alloc(size, "b");
      book.write("x", bytes);
      const { fileId } = book.node("x");
      const seq = book.library.log.seq;
      book.rename("x", "x~");
      crash(book);
      assert.deepEqual(book.story(seq), []);
      assert.deepEqual(book.bytes("x"), bytes);
      assert.equal(book.node("x").fileId, fileId);
      assert.deepEqual(book.bytes("x~"), bytes);
      book.unlink("x~");
      assertSound(book.library);
    }
  });
});

test("a daemon killed while the new version is being written for long: the path shows its last version again", () => {
  withBook((book) => {
    book.write("x", "bytes");
    const seq = book.library.log.seq;
    book.rename("x", "x~");
    book.create("x").write(0, Buffer.from("not saved"), ALICE);
    book.settle();
    crash(book);
    assert.deepEqual(book.story(seq), []);
    assert.equal(book.text("x"), "bytes");
    assertSound(book.library);
  });
});

test("a daemon killed just after a file was removed: a delete when it is back", () => {
  withBook((book) => {
    book.write("x", "bytes");
    const seq = book.library.log.seq;
    book.unlink("x");
    crash(book);
    assert.deepEqual(book.story(seq), ["delete x"]);
    assertSound(book.library);
  });
});

test("vim's backup keeps attributes, time and extended attributes of the file it was", () => {
  withBook((book) => {
    book.write("x", "bytes");
    const { fileId } = book.node("x");
    const mtime = { seconds: 1_000_000_000, nanoseconds: 123_456_789 };
    book.worktree.setAttributes(fileId, { mode: 0o640, uid: 7, gid: 8, mtime }, ALICE);
    book.worktree.setXattr(fileId, "user.tag", Buffer.from("v"), { create: false, replace: false }, ALICE);
    book.rename("x", "x~");
    const { mode, uid, gid, mtimeSeconds, mtimeNanoseconds, fileId: scratchId } = book.node("x~");
    assert.deepEqual([mode, uid, gid], [FileType.file | 0o640, 7, 8]);
    assert.deepEqual([mtimeSeconds, mtimeNanoseconds], [mtime.seconds, mtime.nanoseconds]);
    assert.equal(Buffer.from(book.worktree.getXattr(scratchId, "user.tag") ?? []).toString(), "v");
    book.rename("x~", "x");
    const back = book.node("x");
    assert.deepEqual([back.fileId, back.mode, back.uid, back.gid], [fileId, mode, uid, gid]);
    assert.deepEqual([back.mtimeSeconds, back.mtimeNanoseconds], [mtime.seconds, mtime.nanoseconds]);
    assert.equal(Buffer.from(book.worktree.getXattr(fileId, "user.tag") ?? []).toString(), "v");
    book.settle();
    assert.deepEqual(book.story(2), [], "nothing happened to the file");
    assertSound(book.library);
  });
});

test("a file open through vim's dance: the old handle reads the backup, the new one the new bytes", () => {
  withBook((book) => {
    book.write("x", "old");
    const old = book.open("x");
    book.rename("x", "x~");
    const young = book.create("x");
    closing(young, ALICE, () => young.write(0, Buffer.from("new"), ALICE));
    old.write(3, Buffer.from("er"), ALICE);
    assert.equal(book.text("x~"), "older");
    assert.equal(book.text("x"), "new");
    old.release(ALICE);
    book.unlink("x~");
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("a file that took over a vacated path, is renamed unsaved, and the path stays vacated", () => {
  withBook((book) => {
    book.write("x", "old");
    const { fileId } = book.node("x");
    book.unlink("x");
    const file = book.create("x");
    file.write(0, Buffer.from("new"), ALICE);
    const identities = book.rename("x", "y");
    assert.deepEqual(identities, [{ from: fileId, to: book.node("y").fileId }]);
    assert.notEqual(book.node("y").fileId, fileId);
    file.release(ALICE);
    book.settle();
    assert.deepEqual(book.story(1), ["create y", "delete x"]);
    assert.equal(book.text("y"), "new");
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("a directory moves while a file in it has taken over a vacated path and is not saved", () => {
  withBook((book) => {
    book.makeDirectories("d");
    book.write("d/x", "old");
    book.unlink("d/x");
    const file = book.create("d/x");
    file.write(0, Buffer.from("new"), ALICE);
    book.rename("d", "e");
    file.write(3, Buffer.from("er"), ALICE);
    file.commit(ALICE, { durable: true });
    file.release(ALICE);
    assert.equal(book.text("e/x"), "newer");
    book.settle();
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("a directory is removed and made again while paths in it wait", () => {
  withBook((book) => {
    book.makeDirectories("d");
    book.write("d/x", "old");
    book.write("d/y", "old");
    const { fileId } = book.node("d/x");
    book.unlink("d/x");
    book.unlink("d/y");
    book.removeDirectory("d");
    book.makeDirectories("d");
    book.write("d/x", "new");
    book.settle();
    assert.equal(book.node("d/x").fileId, fileId);
    assert.deepEqual(book.story(2), ["update d/x", "delete d/y"]);
    assertSound(book.library);
  });
});

test("a vacated path becomes a directory, a fifo, a symlink: the log tells what the book holds", () => {
  withBook((book) => {
    for (const path of ["a", "b", "c"]) book.write(path, path);
    for (const path of ["a", "b", "c"]) book.unlink(path);
    book.makeDirectory("a");
    const { parent } = book.spot("b");
    book.worktree.makeNode(parent, "b", FileType.fifo | 0o600, ALICE);
    book.symlink("a", "c");
    book.settle();
    assert.deepEqual(book.story(3), ["update c", "delete a", "delete b"]);
    assert.equal(book.node("c").mode, FileType.symlink | 0o777);
    assertSound(book.library);
  });
});

test("S1: scratch leaves no trace in journal, log and blobs, and its files go with it", () => {
  withBook((book) => {
    book.makeDirectories(".git/objects");
    book.write(".git/objects/aa", Buffer.alloc(300_000, 1));
    book.write("x.tmp", "bytes");
    book.link("x.tmp", "y.tmp");
    book.unlink("x.tmp");
    assert.deepEqual(book.story(), []);
    assert.equal(book.text("y.tmp"), "bytes");
    assertSound(book.library);
    book.unlink("y.tmp");
    book.unlink(".git/objects/aa");
    assert.deepEqual(readdirSync(join(book.directory, "scratch")), []);
    assert.equal(book.library.store.database.prepare("SELECT count(*) FROM blob").pluck().get(), 0);
    assert.ok(readFileSync(join(book.directory, "lock"), "utf8").startsWith(`${process.pid}`));
  });
});
