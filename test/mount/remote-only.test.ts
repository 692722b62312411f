// Requests whose bytes are on the remote only: each waits until they have been fetched, others go on, and nothing is done before.

import assert from "node:assert/strict";
import { hash as sha256 } from "node:crypto";
import { test } from "node:test";
import type { FetchOutcome } from "../../lib/errands.ts";
import { Errno } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";
import { type Answer, type Ask, ROOT, readAnswer } from "./kernel-client.ts";
import { type TestBook, type TestMount, withTestBook } from "./test-book.ts";

const REMOTE = { logUrl: "file:///nowhere", blobsUrl: "file:///nowhere", remoteId: "remote" };
const DOWN: FetchOutcome = { failure: { code: "UNAVAILABLE", message: "it is down", hint: undefined } };
const FATTR_SIZE = 8;

/** Takes bytes away as if they had never been fetched. */
function takeAway(book: TestBook, bytes: Buffer): void {
  const { library, worktree } = book;
  const hash = hashOf(bytes);
  const { bookId } = worktree.book;
  if (!library.blobs.mayLack) library.shareBook(bookId, REMOTE);
  library.noteShared(bookId, [], [hash], { seq: 0, entryHash: null });
  library.store.transaction(() => library.blobs.remove(hash));
}

function hashOf(bytes: Buffer): BlobHash {
  return sha256("sha256", bytes, "hex") as BlobHash;
}

/** Does what was asked for: brings `bytes`, or fails as `outcome` says. */
function fetch(book: TestBook, bytes: Buffer, outcome: FetchOutcome = "stored"): number {
  const asked = book.errands.splice(0);
  for (const { id, errand } of asked) {
    assert.ok(errand.type === "fetch");
    assert.equal(errand.hash, hashOf(bytes));
    if (outcome === "stored")
      book.library.storeBlobs([
        { hash: errand.hash, sizeBytes: bytes.length, content: { bytes: new Uint8Array(bytes) } },
      ]);
    book.desk.done(id, outcome);
  }
  return asked.length;
}

function late(mount: TestMount, unique: number): Answer {
  const answer = mount.lateAnswers.shift();
  assert.ok(answer, "nothing was answered late");
  return readAnswer(answer.buffer, unique);
}

function truncate(mount: TestMount, ask: Ask, size: number): Answer | undefined {
  const [valid, fh, rest] = [{ u32: FATTR_SIZE }, { u64: 0 }, { bytes: Buffer.alloc(64) }];
  return mount.send("SETATTR", ask, valid, { u32: 0 }, fh, { u64: size }, rest);
}

function text(mount: TestMount, name: string): string {
  const file = mount.lookup(ROOT, name);
  const { fh } = mount.open(file);
  const { body } = mount.read(file, fh);
  mount.release(file, fh);
  return body.toString();
}

test("readlink(2) of a symbolic link whose target is on the remote only waits until that is here; others go on", () => {
  withTestBook((book) => {
    const [mount, other] = [book.mount(), book.mount()];
    const target = Buffer.from("x".repeat(3000));
    mount.ask("SYMLINK", ROOT, { text: "link" }, { text: target.toString() });
    takeAway(book, target);
    const links = [mount, other].map((each) => each.lookup(ROOT, "link"));
    assert.equal(mount.send("READLINK", links[0]!), undefined);
    assert.equal(other.send("READLINK", links[1]!), undefined);
    const uniques = [mount.lastUnique, other.lastUnique];
    mount.save(ROOT, "meanwhile", "text");
    assert.equal(text(mount, "meanwhile"), "text");
    assert.equal(fetch(book, target), 1, "one errand does for all");
    assert.equal(late(mount, uniques[0]!).body.length, 3000);
    assert.equal(late(other, uniques[1]!).body.length, 3000);
    assert.equal(mount.ask("READLINK", links[0]!).body.toString(), target.toString());
    assert.deepEqual([book.errands, book.faults], [[], []]);
  });
});

test("a target that cannot be fetched is EIO, and is asked for anew the next time", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const target = Buffer.from("target");
    mount.ask("SYMLINK", ROOT, { text: "link" }, { text: "target" });
    takeAway(book, target);
    const link = mount.lookup(ROOT, "link");
    mount.send("READLINK", link);
    fetch(book, target, DOWN);
    assert.equal(late(mount, mount.lastUnique).errno, Errno.EIO);
    assert.equal(mount.send("READLINK", link), undefined);
    fetch(book, target);
    assert.equal(late(mount, mount.lastUnique).body.toString(), "target");
  });
});

test("readlink(2) below .pfs/at waits, too", () => {
  withTestBook((book) => {
    const mount = book.mount();
    mount.ask("SYMLINK", ROOT, { text: "link" }, { text: "target" });
    takeAway(book, Buffer.from("target"));
    const at = mount.lookup(mount.lookup(mount.lookup(ROOT, ".pfs"), "at"), `${book.library.log.seq}`);
    assert.equal(mount.send("READLINK", mount.lookup(at, "link")), undefined);
    fetch(book, Buffer.from("target"));
    assert.equal(late(mount, mount.lastUnique).body.toString(), "target");
  });
});

test("truncate(2) of a file whose bytes are on the remote only waits for those that stay, and saves one version", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const bytes = Buffer.from("twenty bytes of text");
    mount.save(ROOT, "lesson", bytes.toString());
    takeAway(book, bytes);
    const { seq } = book.library.log;
    const file = mount.lookup(ROOT, "lesson");
    assert.equal(truncate(mount, file, 6), undefined);
    assert.equal(book.library.log.seq, seq, "nothing is done before");
    fetch(book, bytes);
    assert.equal(late(mount, mount.lastUnique).errno, 0);
    assert.equal(book.library.log.seq, seq + 1);
    assert.equal(text(mount, "lesson"), "twenty");
  });
});

test("truncate(2) to nothing needs no bytes; to something, of bytes that cannot be fetched, is EIO and changes nothing", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const [kept, emptied] = [Buffer.from("kept"), Buffer.from("emptied")];
    mount.save(ROOT, "kept", "kept");
    mount.save(ROOT, "emptied", "emptied");
    takeAway(book, kept);
    takeAway(book, emptied);
    const { seq } = book.library.log;
    const file = mount.lookup(ROOT, "kept");
    truncate(mount, file, 2);
    fetch(book, kept, DOWN);
    assert.equal(late(mount, mount.lastUnique).errno, Errno.EIO);
    assert.equal(book.library.log.seq, seq);
    assert.equal(truncate(mount, mount.lookup(ROOT, "emptied"), 0)?.errno, 0);
    assert.equal(text(mount, "emptied"), "");
    assert.equal(book.errands.length, 0);
  });
});

test("a process that is gone waits for no target and no bytes: EINTR, and nothing was done", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const bytes = Buffer.from("some bytes");
    mount.save(ROOT, "lesson", bytes.toString());
    takeAway(book, bytes);
    const { seq } = book.library.log;
    truncate(mount, { ...mount.lookup(ROOT, "lesson"), pid: 2 ** 30 }, 4);
    const gone = mount.lastUnique;
    mount.send("INTERRUPT", { nodeid: 0 }, { u64: gone });
    assert.equal(late(mount, gone).errno, Errno.EINTR);
    fetch(book, bytes);
    assert.deepEqual([mount.lateAnswers.length, book.library.log.seq], [0, seq]);
  });
});

test("rename(2) within the book needs no bytes; to a name of scratch it waits for them, and is done once", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const bytes = Buffer.from("some bytes");
    mount.save(ROOT, "lesson", bytes.toString());
    takeAway(book, bytes);
    const rename = (name: string, to: string): Answer | undefined =>
      mount.send("RENAME", ROOT, { u64: 1 }, { text: name }, { text: to });
    mount.save(ROOT, "meanwhile", "text");
    assert.equal(rename("lesson", "moved")?.errno, 0);
    const { seq } = book.library.log;
    assert.equal(rename("moved", "moved~"), undefined);
    fetch(book, bytes, DOWN);
    assert.equal(late(mount, mount.lastUnique).errno, Errno.EIO);
    assert.equal(text(mount, "meanwhile"), "text", "others go on");
    assert.equal(rename("moved", "moved~"), undefined);
    assert.equal(book.library.log.seq, seq, "nothing is done before");
    fetch(book, bytes);
    assert.equal(late(mount, mount.lastUnique).errno, 0);
    assert.equal(text(mount, "moved~"), bytes.toString());
    assert.deepEqual([book.errands, book.faults], [[], []]);
  });
});

test("exchanging a file of the book with scratch waits for the bytes of the one that leaves", () => {
  withTestBook((book) => {
    const mount = book.mount();
    const bytes = Buffer.from("some bytes");
    mount.save(ROOT, "lesson", bytes.toString());
    mount.save(ROOT, "lesson~", "scratch");
    takeAway(book, bytes);
    const [exchange, names] = [{ u32: 2 }, [{ text: "lesson~" }, { text: "lesson" }]] as const;
    assert.equal(mount.send("RENAME2", ROOT, { u64: 1 }, exchange, { u32: 0 }, ...names), undefined);
    fetch(book, bytes);
    assert.equal(late(mount, mount.lastUnique).errno, 0);
    assert.deepEqual([text(mount, "lesson"), text(mount, "lesson~")], ["scratch", bytes.toString()]);
  });
});
