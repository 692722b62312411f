// W1 of `pfs publish-overlay` where the versions came from another machine of the user: nothing of the base goes that the user
// has not seen, whatever this machine has got in which order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseUserId } from "../../schema/ids.ts";
import { NO_BASE } from "../../schema/log-row.ts";
import { type BookFixture, EXCHANGE, layerOf } from "../lib/book-fixture.ts";
import { hide, hiding } from "./hiding.ts";
import { type Machine, withMachines } from "./machine.ts";

const CARL = parseUserId("carl");
const LINES = "one\n\ntwo\n\nthree\n\nfour\n\nfive\n";

/** Two machines with `a.md` and `b.md` in the base, and the same user on both. */
function shared(
  use: (a: Machine, b: Machine, carlAtA: BookFixture, carlAtB: BookFixture) => void,
): Promise<void> {
  return withMachines(["alice", "bob"], (a, b) => {
    a.save("a.md", LINES);
    a.save("b.md", "b");
    a.push();
    b.pull();
    b.fetchAll();
    use(a, b, layerOf(a, CARL), layerOf(b, CARL));
  });
}

function assertRefused(machine: Machine, path: string, reason: RegExp): void {
  const { worktree } = layerOf(machine, CARL);
  const [published, ...others] = worktree.publish([path], hiding(machine));
  assert.deepEqual(others, []);
  assert.equal(published?.outcome, "refused");
  assert.match(published.reason ?? "", reason);
}

test("W1: a version is not published over what was saved here in the base, and is yet to be shared", () =>
  shared((a, b, carlAtA) => {
    carlAtA.write("a.md", "carl's");
    b.save("a.md", "base's");
    a.push();
    b.push();
    b.fetchAll();
    assertRefused(b, "a.md", /changed in the base since carl's version began/);
    assert.equal(b.text("a.md"), "base's");
  }));

test("W1: a user's new file is not published over one that was made here in the base", () =>
  shared((a, b, carlAtA) => {
    b.save("new.md", "base's");
    carlAtA.write("new.md", "carl's");
    a.push();
    b.pull();
    b.fetchAll();
    assertRefused(b, "new.md", /The base has another file at new\.md/);
    assert.equal(b.text("new.md"), "base's");
  }));

test("W1: a removal is not published of what was saved here in the base", () =>
  shared((a, b, carlAtA) => {
    hide(carlAtA, a, "a.md");
    b.save("a.md", "base's");
    a.push();
    b.pull();
    b.fetchAll();
    assertRefused(b, "a.md", /changed in the base since carl removed it/);
    assert.equal(b.text("a.md"), "base's");
  }));

test("W1: a user's new file is not published over one that a directory of the user's covered", () =>
  shared((a, _, carlAtA) => {
    carlAtA.makeDirectory("new", a.actor);
    a.save("new/a.md", "base's");
    carlAtA.write("new/a.md", "carl's");
    assertRefused(a, "new/a.md", /The base has another file at new\/a\.md/);
    assert.equal(a.text("new/a.md"), "base's");
  }));

test("W1: a version is not published over a change that its machine had got before it sent the version", () =>
  shared((a, b, carlAtA) => {
    carlAtA.write("a.md", "carl's");
    b.save("a.md", "base's");
    b.push();
    a.push();
    b.pull();
    b.fetchAll();
    for (const machine of [a, b])
      assertRefused(machine, "a.md", /changed in the base since carl's version began/);
    assert.equal(b.text("a.md"), "base's");
  }));

test("W1: neither is a removal, nor a new file at a path that the base has got meanwhile", () =>
  shared((a, b, carlAtA) => {
    hide(carlAtA, a, "a.md");
    carlAtA.write("new.md", "carl's");
    b.save("a.md", "base's");
    b.save("new.md", "base's");
    b.push();
    a.push();
    b.pull();
    b.fetchAll();
    for (const machine of [a, b]) {
      assertRefused(machine, "a.md", /changed in the base since carl removed it/);
      assertRefused(machine, "new.md", /The base has another file at new\.md/);
    }
    assert.deepEqual([b.text("a.md"), b.text("new.md")], ["base's", "base's"]);
  }));

test("a version that has followed the base's file to another name is published elsewhere as the next of what it began with", () =>
  shared((a, b, carlAtA) => {
    carlAtA.write("a.md", "carl's");
    b.rename("a.md", "c.md");
    b.push();
    a.push();
    b.pull();
    b.fetchAll();
    const { worktree } = layerOf(b, CARL);
    assert.deepEqual(
      worktree.publish(["c.md"], hiding(b)).map(({ outcome }) => outcome),
      ["updated"],
    );
    assert.equal(b.text("c.md"), "carl's");
  }));

test("what a version began with is in its row, here and on the remote, and in the journal of whoever pulls it", () =>
  shared((a, b, carlAtA) => {
    const began = a.files().get("a.md");
    carlAtA.write("a.md", "carl's");
    carlAtA.write("a.md", "carl's again");
    carlAtA.rename("a.md", "c.md", undefined, hiding(a));
    carlAtA.write("new.md", "of nothing");
    a.push();
    b.pull();
    for (const machine of [a, b]) {
      const told = machine.log().filter(({ user_id }) => user_id === CARL);
      assert.deepEqual(
        told.map(
          ({ operation, path, base_hash }) =>
            `${operation} ${path} ${base_hash === began ? "began" : base_hash}`,
        ),
        [
          "create a.md began",
          "update a.md began",
          "rename a.md null",
          "rename c.md began",
          "hide a.md began",
          `create new.md ${NO_BASE}`,
        ],
      );
      const { database } = machine.library.store;
      const base = database.prepare("SELECT base_sha256 FROM file_journal WHERE path = 'c.md'").pluck().get();
      assert.equal(base, began);
    }
  }));

test("W1: of two files that the user has exchanged none is published alone, which the other would be lost by", () =>
  shared((a, _, carlAtA) => {
    carlAtA.rename("a.md", "b.md", EXCHANGE, hiding(a));
    assertRefused(a, "a.md", /what carl has moved to b\.md: publish that, too/);
    assert.equal(a.files().size, 2);
    const published = carlAtA.worktree.publish(["a.md", "b.md"], hiding(a));
    assert.deepEqual(new Set(published.map(({ outcome }) => outcome)), new Set(["moved"]));
    assert.equal(a.text("b.md"), LINES);
  }));

test("W2: versions that began with different ones of the base are a conflict, not merged upon the wrong one", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtA.write("a.md", LINES.replace("one", "ONE"));
    a.push();
    b.save("a.md", LINES.replace("five", "FIVE"));
    carlAtB.write("a.md", LINES.replace("five", "FIVE").replace("three", "THREE"));
    b.push();
    b.fetchAll();
    assert.equal(carlAtB.text("a.md"), LINES.replace("one", "ONE"));
    assert.equal(carlAtB.worktree.conflicts.count, 1);
    assert.match(b.text("a.md"), /FIVE/);
  }));

/** Pushes as pfs did before rows said what a version began with. */
function pushOld(machine: Machine): void {
  for (;;) {
    machine.pull();
    const rows = machine.outbox;
    if (rows.length === 0) return;
    machine.upload(rows.map(({ new_hash }) => new_hash));
    machine.appendRows(rows.map((row) => ({ ...row, base_hash: null })));
  }
}

test("W2: a version of which nobody says what it began with is a conflict with one that was made here", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtA.write("a.md", LINES.replace("one", "ONE"));
    pushOld(a);
    b.save("a.md", LINES.replace("five", "FIVE"));
    carlAtB.write("a.md", LINES.replace("five", "FIVE").replace("three", "THREE"));
    b.push();
    b.fetchAll();
    assert.equal(carlAtB.worktree.conflicts.count, 1);
    assertRefused(b, "a.md", /changed in the base/);
  }));

test("W1: what nobody says of a version is not guessed, nor told to others", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtA.write("a.md", "carl's");
    b.save("a.md", "second");
    b.push();
    pushOld(a);
    a.fetchAll();
    b.pull();
    b.fetchAll();
    carlAtB.write("a.md", "more");
    b.push();
    a.pull();
    a.fetchAll();
    for (const machine of [a, b]) assertRefused(machine, "a.md", /changed in the base/);
  }));

test("what was moved over a file of the base is published over it, also where a pull did the move again", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtB.write("tmp.md", "x");
    carlAtB.rename("tmp.md", "b.md", undefined, hiding(b));
    carlAtA.write("tmp.md", "y");
    a.push();
    b.pull();
    b.fetchAll();
    const published = carlAtB.worktree.publish(["b.md"], hiding(b));
    assert.deepEqual(
      published.map(({ outcome }) => outcome),
      ["updated"],
    );
  }));

test("W1: a removal is not published of a version that something of the user's own covered", () =>
  shared((a, _, carlAtA) => {
    carlAtA.write("a.md", "carl's");
    a.save("a.md", "second");
    hide(carlAtA, a, "a.md");
    assertRefused(a, "a.md", /changed in the base since carl removed it/);
  }));

test("W1: nor of one that came where the user has moved something away", () =>
  shared((a, _, carlAtA) => {
    carlAtA.write("new.md", "carl's");
    a.save("new.md", "base's");
    carlAtA.rename("new.md", "other.md", undefined, hiding(a));
    assertRefused(a, "new.md", /changed in the base since carl removed it/);
  }));

test("W1: nor of one that was saved, or came, before the removal was settled", () =>
  shared((a, b, carlAtA) => {
    for (const path of ["a.md", "b.md"]) carlAtA.unlink(path, hiding(a));
    a.save("a.md", "second");
    b.save("b.md", "second");
    b.push();
    a.pull();
    a.fetchAll();
    carlAtA.settle();
    for (const path of ["a.md", "b.md"]) assertRefused(a, path, /changed in the base since carl removed it/);
  }));
