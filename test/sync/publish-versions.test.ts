// W1 of `pfs publish-overlay` where the versions came from another machine of the user: nothing of the base goes that the user
// has not seen, whatever this machine has got in which order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseUserId } from "../../schema/ids.ts";
import { type BookFixture, EXCHANGE, layerOf } from "../lib/book-fixture.ts";
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
  const [published, ...others] = worktree.publish([path], { ...machine.actor, hidesBase: true });
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
    carlAtA.unlink("a.md", { ...a.actor, hidesBase: true });
    carlAtA.settle();
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

test("W1: of two files that the user has exchanged none is published alone, which the other would be lost by", () =>
  shared((a, _, carlAtA) => {
    carlAtA.rename("a.md", "b.md", EXCHANGE, { ...a.actor, hidesBase: true });
    assertRefused(a, "a.md", /what carl has moved to b\.md: publish that, too/);
    assert.equal(a.files().size, 2);
    const published = carlAtA.worktree.publish(["a.md", "b.md"], { ...a.actor, hidesBase: true });
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
