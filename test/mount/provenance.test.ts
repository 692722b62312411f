// R7: whose change it is when several agents' mounts have the same file open.

import assert from "node:assert/strict";
import { test } from "node:test";
import { O_RDONLY, O_RDWR, ROOT } from "./kernel-client.ts";
import { type TestBook, withTestBook } from "./test-book.ts";

function rows({ library }: TestBook): unknown[] {
  return library.store.database
    .prepare("SELECT operation || ' ' || agent_id FROM audit_log ORDER BY seq")
    .pluck()
    .all();
}

/** Alice has begun to write what bob has open. */
function open(book: TestBook, bobsFlags: number) {
  const [alice, bob] = [book.mount({ agent: "alice" }), book.mount({ agent: "bob" })];
  const file = alice.save(ROOT, "a.md", "first");
  const seen = bob.lookup(ROOT, "a.md");
  const theirs = bob.open(seen, bobsFlags);
  const mine = alice.open(file, O_RDWR);
  alice.write(file, mine.fh, "second");
  return { alice, bob, seen, theirs, file, mine };
}

test("R7: an fsync that saves what another agent wrote is that agent's change", () => {
  withTestBook((book) => {
    const { bob, seen, theirs } = open(book, O_RDWR);
    bob.send("FSYNC", seen, { u64: theirs.fh }, { u32: 0 }, { u32: 0 });
    assert.deepEqual(rows(book), ["create alice", "update alice"]);
    bob.write(seen, theirs.fh, "third!");
    bob.flush(seen, theirs.fh);
    assert.deepEqual(rows(book), ["create alice", "update alice", "update bob"]);
  });
});

test("R7: closing a handle through which nothing was written saves nothing of what others are writing", () => {
  withTestBook((book) => {
    const { alice, bob, seen, theirs, file, mine } = open(book, O_RDWR);
    bob.flush(seen, theirs.fh);
    bob.release(seen, theirs.fh);
    assert.deepEqual(rows(book), ["create alice"], "half written");
    alice.release(file, mine.fh);
    assert.deepEqual(rows(book), ["create alice", "update alice"]);
  });
});

test("R7: a mount that goes and had a file open to read saves nothing of what others write", () => {
  withTestBook((book) => {
    const { alice, bob, file, mine } = open(book, O_RDONLY);
    bob.session.close();
    assert.deepEqual(rows(book), ["create alice"], "half written");
    alice.write(file, mine.fh, " half", { offset: 6 });
    alice.flush(file, mine.fh);
    assert.deepEqual(rows(book), ["create alice", "update alice"]);
    assert.equal(alice.read(file, mine.fh).body.toString(), "second half");
  });
});
