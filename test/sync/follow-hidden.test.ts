// What a pull does to what users hide of the base: every machine of the user shows the same, whoever came first.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseUserId, type Seq } from "../../schema/ids.ts";
import { type BookFixture, EXCHANGE, layerOf } from "../lib/book-fixture.ts";
import { hide, hiding } from "./hiding.ts";
import { type Machine, settleAll, withMachines } from "./machine.ts";
import { viewOf } from "./machine-views.ts";

const CARL = parseUserId("carl");

/** Two machines with `a.md` and `b.md` in the base, and the same user on both, who must see the same in the end. */
function shared(
  use: (a: Machine, b: Machine, carlAtA: BookFixture, carlAtB: BookFixture) => void,
): Promise<void> {
  return withMachines(["alice", "bob"], (a, b) => {
    for (const name of ["a.md", "b.md"]) a.save(name, name);
    exchange(a, b);
    use(a, b, layerOf(a, CARL), layerOf(b, CARL));
    settleAll([a, b]);
    exchange(a, b);
    const [atA, atB] = [a, b].map((machine) => viewOf(machine, CARL));
    assert.deepEqual(atA, atB);
  });
}

/** Each pushes in turn, and has what all did. */
function exchange(...machines: Machine[]): void {
  for (const machine of machines) {
    for (const each of machine.library.openWorktrees()) each.settle(0);
    machine.push();
  }
  for (const machine of machines) {
    machine.pull();
    machine.fetchAll();
  }
}

/** Paths of what carl sees. */
const pathsOf = (machine: Machine): string[] => viewOf(machine, CARL).map((file) => file.split(" ")[0] ?? "");

test("a file that the user cannot move, as others came first, shows where it was", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtA.rename("a.md", "c.md", undefined, hiding(a));
    carlAtB.write("c.md", "made elsewhere");
    exchange(b, a);
    assert.equal(carlAtA.text("a.md"), "a.md");
    assert.equal(carlAtA.text("c.md"), "made elsewhere");
    assert.equal(carlAtA.worktree.conflicts.count, 1);
  }));

test("a file that the user hid, while others removed it and made it again, is hidden on every machine", () =>
  shared((a, b, carlAtA, carlAtB) => {
    const before = a.library.log.seq as Seq;
    hide(carlAtB, b, "a.md");
    a.unlink("a.md", a.actor);
    a.settle();
    a.push();
    b.pull();
    a.worktree.restore(before, ["a.md"], a.actor);
    exchange(a, b);
    for (const [machine, carl] of [
      [a, carlAtA],
      [b, carlAtB],
    ] as const) {
      assert.equal(machine.text("a.md"), "a.md");
      assert.equal(carl.find("a.md"), undefined);
    }
  }));

test("a file that the base makes anew after the user hid it shows on every machine, also where the user's word comes later", () =>
  shared((a, b, _, carlAtB) => {
    const before = a.library.log.seq as Seq;
    hide(carlAtB, b, "a.md");
    a.unlink("a.md", a.actor);
    a.settle();
    a.push();
    b.push();
    a.worktree.restore(before, ["a.md"], a.actor);
    exchange(a, b);
    for (const machine of [a, b]) assert.deepEqual(pathsOf(machine), ["a.md", "b.md"]);
  }));

test("a file that the user removed stays where the user changed it elsewhere before that was known", () =>
  shared((a, b, carlAtA, carlAtB) => {
    hide(carlAtA, a, "a.md");
    carlAtB.write("a.md", "changed elsewhere");
    exchange(b, a);
    assert.equal(carlAtA.text("a.md"), "changed elsewhere");
    carlAtB.unlink("a.md", b.actor);
    exchange(b, a);
    assert.equal(carlAtA.text("a.md"), "a.md");
  }));

test("what is hidden here is hidden everywhere, although the user did something else to its name elsewhere first", () =>
  shared((a, b, carlAtA, carlAtB) => {
    hide(carlAtA, a, "a.md");
    carlAtB.write("a.md", "for a moment");
    carlAtB.worktree.revert(["a.md"], b.actor);
    exchange(b, a);
    for (const carl of [carlAtA, carlAtB]) assert.equal(carl.find("a.md"), undefined);
  }));

test("what is hidden stays hidden under the name of another file that the base has moved it over", () =>
  shared((a, b, carlAtA, carlAtB) => {
    hide(carlAtA, a, "b.md");
    exchange(a, b);
    a.rename("b.md", "a.md", undefined, a.actor);
    exchange(a, b);
    for (const carl of [carlAtA, carlAtB]) assert.equal(carl.find("a.md"), undefined);
  }));

test("what a user removed a moment ago stays removed when others move it in the base", () =>
  shared((a, b, carlAtA) => {
    carlAtA.unlink("a.md", hiding(a));
    b.rename("a.md", "c.md", undefined, b.actor);
    b.settle();
    b.push();
    a.pull();
    carlAtA.settle();
    assert.equal(carlAtA.find("c.md"), undefined);
  }));

test("a file of the base is hidden where the base has it, also where the user has a directory of that name", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtB.makeDirectory("d", b.actor);
    carlAtB.write("d/x.md", "x");
    a.save("d/a.md", "base's");
    hide(carlAtA, a, "d/a.md");
    exchange(a, b);
    exchange(a, b);
    carlAtB.unlink("d/x.md", b.actor);
    carlAtB.settle();
    carlAtB.removeDirectory("d", b.actor);
    exchange(b, a);
    assert.equal(carlAtB.find("d/a.md"), undefined);
  }));

test("what a user hides stays hidden where others move it, be its directory gone by then", () =>
  withMachines(["alice", "bob"], (a, b) => {
    a.save("d/e/a.md", "hidden");
    a.save("e/a.md", "beside");
    exchange(a, b);
    hide(layerOf(a, CARL), a, "d/e/a.md");
    exchange(a, b);
    // What moves into its own directory's place can only be told as files that go one by one.
    b.rename("d", "e/a.md", EXCHANGE, b.actor);
    exchange(b, a);
    for (const machine of [a, b]) assert.deepEqual(pathsOf(machine), ["d"]);
  }));

test("FR-018: a file that a pull takes back and does again shows to those who had hid it, or the log says that it does not", () =>
  shared((a, b, carlAtA) => {
    b.rename("a.md", "c.md", undefined, b.actor);
    a.unlink("a.md", a.actor);
    a.settle();
    a.save("a.md", "anew");
    hide(carlAtA, a, "a.md");
    exchange(b, a);
    for (const machine of [a, b]) assert.deepEqual(pathsOf(machine), ["b.md"]);
  }));

test("what a user hides stays hidden where the base's removal of it is taken back, as others have changed it", () =>
  shared((a, b, carlAtA) => {
    hide(carlAtA, a, "a.md");
    a.unlink("a.md", a.actor);
    a.settle();
    b.save("a.md", "changed");
    exchange(b, a);
    for (const machine of [a, b]) assert.deepEqual(pathsOf(machine), ["b.md"]);
  }));

test("what a user showed again shows where the base's removal of it is taken back", () =>
  shared((a, b, carlAtA) => {
    hide(carlAtA, a, "a.md");
    carlAtA.worktree.revert(["a.md"], a.actor);
    a.unlink("a.md", a.actor);
    a.settle();
    b.save("a.md", "changed");
    exchange(b, a);
    for (const machine of [a, b]) assert.deepEqual(pathsOf(machine), ["a.md", "b.md"]);
  }));

test("what a user published over a file that the user hid shows everywhere", () =>
  shared((a, b, carlAtA) => {
    a.save("c.md", "the base's");
    hide(carlAtA, a, "c.md");
    carlAtA.write("c.md", "own");
    carlAtA.write("d.md", "published");
    carlAtA.rename("d.md", "c.md", EXCHANGE, hiding(a));
    exchange(a, b);
    carlAtA.worktree.publish(["c.md"], a.actor);
    exchange(a, b);
    for (const machine of [a, b]) assert.deepEqual(pathsOf(machine), ["a.md", "b.md", "c.md", "d.md"]);
    assert.equal(b.text("c.md"), "published");
  }));

test("what a user hides stays hidden where the base's removal of it was taken back and done again before it is taken back for good", () =>
  shared((a, b, _, carlAtB) => {
    a.rename("a.md", "b.md", undefined, a.actor);
    hide(carlAtB, b, "b.md");
    b.push();
    a.pull();
    b.save("a.md", "changed elsewhere");
    b.push();
    a.pull();
    b.save("b.md", "changed elsewhere, too");
    exchange(b, a);
    assert.deepEqual(pathsOf(a), ["a.md"]);
  }));

test("what a user hid in the base's directory is hidden there where a directory of the user's own in its place has gone", () =>
  shared((a, b, carlAtA, carlAtB) => {
    a.makeDirectories("d");
    a.save("d/b.md", "the base's");
    carlAtA.write("d/a.md", "carl's");
    carlAtA.write("c.md", "carl's");
    a.save("c.md", "the base's");
    exchange(a, b);
    hide(carlAtA, a, "d/b.md");
    a.rename("d", "c.md", EXCHANGE, a.actor);
    b.save("d/e.md", "the base's");
    exchange(b, a);
    assert.ok(pathsOf(a).includes("d/a.md"));
    carlAtB.worktree.revert(["d/a.md"], b.actor);
    exchange(b, a);
    assert.deepEqual(pathsOf(a), ["a.md", "b.md", "c.md", "d/e.md"]);
  }));

test("what a user removed of a file that the base has below a directory of the user's stays hidden once that is moved away", () =>
  shared((a, b, carlAtA) => {
    carlAtA.write("a.md", "carl's");
    carlAtA.makeDirectories("e");
    carlAtA.write("e/a.md", "another one of carl's");
    a.makeDirectories("e");
    a.rename("a.md", "e/a.md", undefined, a.actor);
    hide(carlAtA, a, "a.md");
    exchange(a, b);
    a.rename("e/a.md", "f.md", undefined, a.actor);
    exchange(a, b);
    assert.deepEqual(pathsOf(a), ["b.md", "e/a.md"]);
  }));
