// Writes that fail on a full disk: what they leave of a draft, and that no part of a version is ever saved.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { rmSync, statfsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Errno, errnoOf } from "../../schema/errors.ts";
import { ALICE, BookFixture, closing, contentOf } from "./book-fixture.ts";
import { resizeDisk, withSmallDisk } from "./small-disk.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

const MIB = 1024 * 1024;
const DISK_BYTES = 8 * MIB;

function isFull(error: unknown): boolean {
  assert.equal(errnoOf(error), Errno.ENOSPC, `${error}`);
  return true;
}

/** A book on a small disk; `fillUp` leaves so many bytes free on it. */
function onSmallDisk(use: (book: BookFixture, fillUp: (leftBytes: number) => void) => void): void {
  withSmallDisk(DISK_BYTES, (directory) => {
    const book = new BookFixture(directory, { store: { reserveBytes: 0 } });
    const filler = join(directory, "filler");
    const fillUp = (leftBytes: number): void => {
      const { bavail, bsize } = statfsSync(directory);
      // What was free a moment ago is still believed to be: a write must fail in the middle, not before it begins.
      writeFileSync(filler, Buffer.alloc(bavail * bsize - leftBytes));
    };
    try {
      book.library.store.checkSpace(0);
      use(book, fillUp);
      rmSync(filler, { force: true });
      assertSound(book.library);
      assertAtRest(book.library);
      book.reopen();
      assertSound(book.library);
    } finally {
      book.close();
    }
  });
}

test("FULL: a write that fails half way over a large draft is not saved, in whole or in part, until it is done again", () => {
  onSmallDisk((book, fillUp) => {
    const old = randomBytes(200_000);
    book.write("x", old);
    const file = book.open("x");
    // A hole in the draft takes its space only when it is written.
    file.truncate(3 * MIB, ALICE);
    fillUp(64 * 1024);
    const bytes = Buffer.alloc(MIB, "new");
    assert.throws(() => file.write(MIB, bytes, ALICE), isFull);
    assert.equal(file.dirty, true, "what there is, is a draft");
    assert.throws(() => file.commit(ALICE, { durable: false }), isFull);
    assert.throws(() => file.commit(ALICE, { durable: true }), isFull);
    assert.deepEqual(book.story(), ["create x"]);
    resizeDisk(book.directory, 3 * DISK_BYTES);
    assert.throws(() => file.commit(ALICE, { durable: false }), isFull, "also when there is space again");
    file.write(MIB, bytes, ALICE);
    assert.equal(file.commit(ALICE, { durable: false }), "committed");
    file.release(ALICE);
    const wanted = Buffer.alloc(3 * MIB);
    old.copy(wanted);
    bytes.copy(wanted, MIB);
    assert.ok(book.bytes("x").equals(wanted));
  });
});

test("FULL: a torn draft that its program gives up leaves the last version, and whoever opens it next starts from that", () => {
  onSmallDisk((book, fillUp) => {
    const old = randomBytes(200_000);
    book.write("x", old);
    const file = book.open("x");
    file.truncate(3 * MIB, ALICE);
    fillUp(64 * 1024);
    assert.throws(() => closing(file, ALICE, () => file.write(MIB, Buffer.alloc(MIB, 1), ALICE)), isFull);
    assert.ok(book.bytes("x").equals(old));
    assert.deepEqual(book.story(), ["create x"]);
  });
});

test("FULL: a copy that breaks off at the end of the space saves no part of the file, new or old", () => {
  onSmallDisk((book, fillUp) => {
    book.write("old", "old");
    fillUp(MIB);
    for (const path of ["old", "new"]) {
      const file = path === "old" ? book.open(path) : book.create(path);
      assert.throws(() => {
        closing(file, ALICE, () => {
          file.truncate(0, ALICE);
          for (let at = 0; at < 2 * MIB; at += 64 * 1024) file.write(at, randomBytes(64 * 1024), ALICE);
        });
      }, isFull);
    }
    assert.equal(book.text("old"), "old");
    assert.equal(book.find("new"), undefined);
    assert.deepEqual(book.story(), ["create old"]);
  });
});

test("FULL: a write that failed and was cut away, or is written over by a shorter file, hinders no save", () => {
  onSmallDisk((book, fillUp) => {
    book.write("x", "old");
    const file = book.open("x");
    fillUp(256 * 1024);
    assert.throws(() => file.write(4, randomBytes(MIB), ALICE), isFull);
    assert.equal(contentOf(file).toString(), "old", "nothing of it is there");
    assert.throws(() => {
      file.write(0, Buffer.from("O"), ALICE);
      file.commit(ALICE, { durable: false });
    }, isFull);
    closing(file, ALICE, () => {
      file.truncate(0, ALICE);
      file.write(0, Buffer.from("short"), ALICE);
    });
    assert.equal(book.text("x"), "short");
  });
});

test("FULL: the first write to a large file asks for the space of its draft; a refusal is told, and nothing is copied", () => {
  onSmallDisk((book, fillUp) => {
    const bytes = randomBytes(2 * MIB);
    book.write("x", bytes);
    fillUp(MIB);
    assert.throws(() => book.library.store.checkSpace(2 ** 40), isFull, "a fresh look at the disk");
    const file = book.open("x");
    assert.throws(() => file.write(0, Buffer.from("y"), ALICE), isFull);
    assert.equal(book.worktree.refusals.list().at(-1)?.code, "FULL");
    assert.equal(file.draft, undefined);
    assert.equal(file.commit(ALICE, { durable: false }), "unchanged");
    file.release(ALICE);
    assert.throws(() => book.rename("x", "x~"), isFull, "a backup is a copy, too");
    assert.ok(book.bytes("x").equals(bytes));
    assert.deepEqual(book.list(""), ["x"]);
  });
});

test("FULL: unlink works on a full disk, and a large file can be cut short", () => {
  onSmallDisk((book, fillUp) => {
    const bytes = randomBytes(2 * MIB);
    book.write("x", bytes);
    book.write("y", "y");
    fillUp(200 * 1024);
    const file = book.open("x");
    closing(file, ALICE, () => file.truncate(1000, ALICE));
    assert.ok(book.bytes("x").equals(bytes.subarray(0, 1000)));
    book.unlink("y");
    book.settle();
    assert.deepEqual(book.story(), ["create x", "create y", "update x", "delete y"]);
  });
});
