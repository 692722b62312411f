// What a pull does to users' overlays: their layers are shared as the base is, each for itself (R5).

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { isDirectory } from "../../lib/node.ts";
import { parseUserId, type UserId } from "../../schema/ids.ts";
import { type BookFixture, layerOf } from "../lib/book-fixture.ts";
import { type Machine, settleAll, withMachines } from "./machine.ts";

const CARL = parseUserId("carl");
const LINES = "one\n\ntwo\n\nthree\n\nfour\n\nfive\n";

/** Two machines with a file in the base, and the same user on both. */
function shared(
  use: (a: Machine, b: Machine, carlAtA: BookFixture, carlAtB: BookFixture) => void,
): Promise<void> {
  return withMachines(["alice", "bob"], (a, b) => {
    a.save("part/a.md", LINES);
    a.save("part/b.md", "b");
    a.push();
    b.pull();
    b.fetchAll();
    use(a, b, layerOf(a, CARL), layerOf(b, CARL));
    settleLayers(a, b);
    assert.deepEqual(a.files(CARL), b.files(CARL));
    assert.deepEqual(a.files(CARL), a.remote.files(CARL));
  });
}

function settleLayers(...machines: Machine[]): void {
  for (const machine of machines) for (const each of machine.library.openWorktrees()) each.settle(0);
  settleAll(machines);
}

function hiding(machine: Machine, user: UserId): BookFixture {
  const layer = layerOf(machine, user);
  return Object.assign(layer, { actor: { ...machine.actor, hidesBase: true } });
}

test("R5: what a user changed is in the same user's layer elsewhere, and nowhere else", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtA.write("part/a.md", "carl's");
    carlAtA.write("part/own.md", "own");
    a.push();
    b.pull();
    b.fetchAll();
    assert.equal(carlAtB.text("part/a.md"), "carl's");
    assert.equal(carlAtB.text("part/own.md"), "own");
    assert.equal(b.text("part/a.md"), LINES);
    assert.equal(b.find("part/own.md"), undefined);
    assert.equal(carlAtB.node("part/a.md").fileId, b.node("part/a.md").fileId, "I1");
    carlAtB.unlink("part/a.md");
    b.push();
    a.pull();
    assert.equal(carlAtA.text("part/a.md"), LINES);
  }));

test("a user's edits of the same file on two machines are merged as versions of the base's", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtA.write("part/a.md", LINES.replace("one", "ONE"));
    carlAtB.write("part/a.md", LINES.replace("five", "FIVE"));
    a.push();
    b.push();
    assert.equal(carlAtB.text("part/a.md"), LINES.replace("one", "ONE").replace("five", "FIVE"));
    assert.equal(b.text("part/a.md"), LINES);
  }));

test("W2: a user's edits of the same lines on two machines are a conflict of that layer", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtA.write("part/a.md", "at a");
    carlAtB.write("part/a.md", "at b");
    a.push();
    b.pull();
    b.fetchAll();
    assert.equal(carlAtB.text("part/a.md"), "at a");
    assert.equal(carlAtB.worktree.conflicts.count, 1);
    assert.equal(b.worktree.conflicts.count, 0);
  }));

test("a user's version follows the base's file, whether it is known there or not", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtA.write("part/a.md", "at a");
    carlAtB.write("part/b.md", "at b");
    a.rename("part/a.md", "part/c.md", undefined, a.actor);
    a.rename("part/b.md", "part/d.md", undefined, a.actor);
    a.push();
    b.push();
    b.fetchAll();
    a.pull();
    a.fetchAll();
    for (const carl of [carlAtA, carlAtB]) {
      assert.equal(carl.text("part/c.md"), "at a");
      assert.equal(carl.text("part/d.md"), "at b");
      assert.equal(carl.find("part/a.md"), undefined);
    }
  }));

test("I1: a user's versions of one file meet where others moved it, and the base lost it to another file here", () =>
  shared((a, b, carlAtA, carlAtB) => {
    const { fileId } = a.node("part/a.md");
    a.rename("part/a.md", "part/c.md", undefined, a.actor);
    carlAtA.write("part/c.md", LINES.replace("one", "ONE"));
    carlAtB.write("part/a.md", LINES.replace("five", "FIVE"));
    b.rename("part/b.md", "part/a.md", undefined, b.actor);
    a.push();
    b.push();
    b.fetchAll();
    a.pull();
    a.fetchAll();
    for (const carl of [carlAtA, carlAtB]) {
      assert.equal(carl.text("part/c.md"), LINES.replace("one", "ONE").replace("five", "FIVE"));
      assert.equal(carl.node("part/c.md").fileId, fileId);
    }
  }));

test("R6: a user's file comes where the user has a directory here, and the base a file", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtB.makeDirectories("thing");
    carlAtB.write("thing/a.md", "at b");
    a.save("thing", "base's");
    carlAtA.write("thing", "carl's");
    a.push();
    b.push();
    b.fetchAll();
    assert.equal(carlAtB.text("thing"), "carl's");
    assert.equal(carlAtB.worktree.conflicts.count, 1);
  }));

test("what a user hides is hidden elsewhere, and shows again where it shows again", () =>
  shared((a, b, _, carlAtB) => {
    const carl = hiding(a, CARL);
    carl.unlink("part/a.md", { ...a.actor, hidesBase: true });
    carl.settle();
    a.push();
    b.pull();
    assert.equal(carlAtB.find("part/a.md"), undefined);
    assert.notEqual(b.find("part/a.md"), undefined);
    carl.worktree.revert(["part/a.md"], a.actor);
    a.push();
    b.pull();
    assert.notEqual(carlAtB.find("part/a.md"), undefined);
  }));

test("what a user added to a directory stays when others remove the directory", () =>
  shared((a, b, _, carlAtB) => {
    carlAtB.write("part/own.md", "own");
    for (const name of ["a.md", "b.md"]) a.unlink(`part/${name}`, a.actor);
    a.settle();
    a.removeDirectory("part", a.actor);
    a.push();
    b.push();
    assert.equal(carlAtB.text("part/own.md"), "own");
    assert.equal(b.find("part"), undefined);
  }));

test("a user's version stays where what the base moves comes to a name that the same page gives the user's file", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtA.write("part/a.md", "version");
    a.push();
    b.pull();
    carlAtA.write("part/own.md", "own");
    a.rename("part/a.md", "part/own.md", undefined, a.actor);
    a.push();
    b.pull();
    b.fetchAll();
    for (const carl of [carlAtA, carlAtB]) {
      assert.equal(carl.text("part/a.md"), "version");
      assert.equal(carl.text("part/own.md"), "own");
    }
    assert.equal(b.text("part/own.md"), LINES);
  }));

test("what a user hides stays hidden under the name that the base gives it here, be that yet to be shared", () =>
  shared((a, b, carlAtA) => {
    const carlAtB = hiding(b, CARL);
    carlAtB.unlink("part/a.md", { ...b.actor, hidesBase: true });
    carlAtB.settle();
    b.save("part/a.md", `${LINES}more\n`);
    b.push();
    a.rename("part/a.md", "part/c.md", undefined, a.actor);
    a.pull();
    a.fetchAll();
    assert.equal(a.text("part/c.md"), `${LINES}more\n`);
    a.push();
    b.pull();
    for (const carl of [carlAtA, carlAtB]) assert.equal(carl.find("part/c.md"), undefined);
  }));

test("W2: what a user is just writing in a directory that others make a file, for the user and in the base, is kept", () =>
  shared((a, b, carlAtA, carlAtB) => {
    b.save("new/a.md", "b's");
    const file = carlAtB.open("new/a.md");
    file.write(0, Buffer.from("draft"), b.actor);
    carlAtA.write("new", "carl's");
    a.push();
    b.pull();
    a.save("new", "base's");
    a.push();
    b.pull();
    b.fetchAll();
    assert.equal(b.text("new"), "base's");
    assert.throws(() => file.commit(b.actor, { durable: false }), { code: "CONFLICT" });
    file.release(b.actor);
    assert.equal(carlAtB.text("new"), "carl's");
    const [id] = [...carlAtB.worktree.conflicts.ids(0)];
    const conflict = carlAtB.worktree.conflicts.get(id as number);
    assert.equal(conflict?.path, "new~/a.md", "where the directory of that name makes room");
    assert.equal(conflict?.mine, hash("sha256", "draft"));
  }));

test("W2: a user's file that gave way to a directory of the base comes back only where the directory is no more", () =>
  shared((a, b, carlAtA, carlAtB) => {
    a.save("new/a.md", "base's");
    carlAtA.write("new/a.md", "carl's");
    carlAtB.write("new", "carl's file");
    a.push();
    b.pull();
    b.fetchAll();
    const { worktree } = carlAtB;
    const [id] = [...worktree.conflicts.ids(0)];
    assert.throws(() => worktree.resolveConflict(id as number, "mine", b.actor), { code: "EXISTS" });
    assert.equal(carlAtB.text("new/a.md"), "carl's");
    assert.equal(worktree.conflicts.count, 1);
  }));

test("W2: a user's version stays where others saved it, when the base's file of its place is moved back", () =>
  shared((a, b, carlAtA) => {
    const carlAtB = hiding(b, CARL);
    carlAtB.rename("part/a.md", "part/b.md", undefined, { ...b.actor, hidesBase: true });
    b.push();
    a.pull();
    b.save("part/b.md", "base's");
    carlAtB.write("part/b.md", "carl's");
    b.push();
    a.rename("part/a.md", "part/b.md", undefined, a.actor);
    a.pull();
    a.fetchAll();
    assert.equal(a.text("part/b.md"), "base's");
    assert.equal(a.text("part/a.md"), LINES);
    assert.equal(carlAtA.text("part/b.md"), "carl's");
  }));

test("FR-018: what a user made and reverted elsewhere is not seen where the user has a directory of that name", () =>
  shared((a, b, carlAtA, carlAtB) => {
    carlAtA.makeDirectories("thing");
    b.save("thing", "base's");
    b.push();
    a.pull();
    carlAtB.write("thing", "carl's");
    carlAtB.worktree.revert(["thing"], b.actor);
    b.push();
    a.pull();
    assert.equal(a.log().at(-1)?.operation, "cover");
  }));

test("I1: a file of the base that a user moves on one machine and edits on another is one file, with both", () =>
  shared((a, b, carlAtA) => {
    const carlAtB = hiding(b, CARL);
    carlAtA.write("part/a.md", LINES.replace("one", "ONE"));
    a.push();
    carlAtB.rename("part/a.md", "part/moved.md", undefined, { ...b.actor, hidesBase: true });
    b.push();
    b.fetchAll();
    a.pull();
    for (const carl of [carlAtA, carlAtB]) {
      assert.equal(carl.text("part/moved.md"), LINES.replace("one", "ONE"));
      assert.equal(carl.node("part/moved.md").fileId, a.node("part/a.md").fileId);
      assert.equal(carl.find("part/a.md"), undefined);
    }
  }));

test("I1: a directory of a user's below a file of the user's made elsewhere stays, under a name that is free", () =>
  withMachines(["alice", "bob"], (a, b) => {
    const [carlAtA, carlAtB] = [layerOf(a, CARL), layerOf(b, CARL)];
    b.makeDirectories("d");
    carlAtB.makeDirectories("d/own");
    carlAtA.write("d", "a file");
    carlAtA.write("e", "in the way");
    a.push();
    b.pull();
    b.fetchAll();
    // What carl has in the base's directory does not go with it, where carl has a file; nor where it was.
    b.rename("d", "e", undefined, b.actor);
    assert.equal(carlAtB.text("d"), "a file");
    assert.equal(carlAtB.text("e"), "in the way");
    assert.ok(isDirectory(carlAtB.node("d~/own").mode));
  }));
