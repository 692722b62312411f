// What a pull means for whoever has files open: what is clean follows, a draft meets its conflict at its save.

import assert from "node:assert/strict";
import { test } from "node:test";
import { PfsError } from "../../schema/errors.ts";
import { parseUserId } from "../../schema/ids.ts";
import { contentOf, layerOf } from "../lib/book-fixture.ts";
import { type Machine, withMachines } from "./machine.ts";

const CARL = parseUserId("carl");

function shared(use: (a: Machine, b: Machine) => void): Promise<void> {
  return withMachines(["alice", "bob"], (a, b) => {
    a.save("part/a.md", "first");
    a.push();
    b.pull();
    b.fetchAll();
    use(a, b);
  });
}

function isConflict(error: unknown): boolean {
  return error instanceof PfsError && error.code === "CONFLICT";
}

test("C1: whoever has a file open and has written nothing sees what others saved", () =>
  shared((a, b) => {
    const file = b.open("part/a.md");
    try {
      a.save("part/a.md", "second");
      a.push();
      b.pull();
      b.fetchAll();
      assert.equal(contentOf(file).toString(), "second");
      a.rename("part/a.md", "b.md", undefined, a.actor);
      a.push();
      b.pull();
      assert.equal(file.path(), "b.md");
      a.unlink("b.md", a.actor);
      a.settle();
      a.push();
      b.pull();
      assert.equal(file.state, "orphan");
    } finally {
      file.release(b.actor);
    }
  }));

test("C1: the bytes of a new version are here before whoever has the file open is to read it", () =>
  shared((a, b) => {
    const file = b.open("part/a.md");
    try {
      assert.equal(contentOf(file).toString(), "first");
      a.save("part/a.md", "second");
      a.save("part/b.md", "of no interest");
      a.push();
      b.pull();
      assert.equal(contentOf(file).toString(), "second");
      assert.throws(() => b.text("part/b.md"), { code: "UNAVAILABLE" });
    } finally {
      file.release(b.actor);
    }
  }));

test("W1: a draft keeps the version that it began with, and its save is refused", () =>
  shared((a, b) => {
    const file = b.open("part/a.md");
    try {
      file.write(0, Buffer.from("draft"), b.actor);
      a.save("part/a.md", "second");
      a.push();
      b.pull();
      assert.equal(contentOf(file).toString(), "draft");
      assert.throws(() => file.commit(b.actor, { durable: false }), isConflict);
    } finally {
      file.release(b.actor);
    }
    assert.equal(b.worktree.conflicts.count, 1);
  }));

test("W2: a draft of a file that others have removed is kept as a conflict, where it was", () =>
  shared((a, b) => {
    const file = b.open("part/a.md");
    try {
      file.write(0, Buffer.from("draft"), b.actor);
      a.unlink("part/a.md", a.actor);
      a.settle();
      a.push();
      b.pull();
      assert.notEqual(b.find("part"), undefined, "the directory stays while somebody writes in it");
      assert.throws(() => file.commit(b.actor, { durable: false }), isConflict);
    } finally {
      file.release(b.actor);
    }
    const [id] = [...b.worktree.conflicts.ids(0)];
    assert.equal(b.worktree.conflicts.get(id as number)?.path, "part/a.md");
  }));

test("W1: a file that is being made where others have made one", () =>
  shared((a, b) => {
    const file = b.create("new.md", b.actor);
    try {
      file.write(0, Buffer.from("bob's"), b.actor);
      a.save("new.md", "alice's");
      a.push();
      b.pull();
      assert.throws(() => file.commit(b.actor, { durable: false }), isConflict);
    } finally {
      file.release(b.actor);
    }
    b.fetchAll();
    assert.equal(b.text("new.md"), "alice's");
  }));

test("W2: a file that is being made where others have made a directory is kept as a conflict", () =>
  shared((a, b) => {
    const file = b.create("new", b.actor);
    try {
      file.write(0, Buffer.from("bob's"), b.actor);
      a.save("new/a.md", "alice's");
      a.push();
      assert.equal(b.pull().conflicts, 1);
    } finally {
      file.release(b.actor);
    }
    b.fetchAll();
    assert.equal(b.text("new/a.md"), "alice's");
  }));

test("an editor that has moved the file away for a moment finds what others saved there", () =>
  shared((a, b) => {
    b.rename("part/a.md", "part/a.md~", undefined, b.actor);
    a.save("part/a.md", "second");
    a.push();
    b.pull();
    b.fetchAll();
    assert.equal(b.text("part/a.md"), "second");
    assert.equal(b.text("part/a.md~"), "first");
  }));

test("W1: an editor that writes a file anew while others save it is refused", () =>
  shared((a, b) => {
    b.unlink("part/a.md", b.actor);
    const file = b.create("part/a.md", b.actor);
    try {
      file.write(0, Buffer.from("bob's"), b.actor);
      a.save("part/a.md", "second");
      a.push();
      b.pull();
      assert.throws(() => file.commit(b.actor, { durable: false }), isConflict);
    } finally {
      file.release(b.actor);
    }
    b.settle();
  }));

test("kernels are told of what a pull changes", () =>
  shared((a, b) => {
    const changes: string[] = [];
    b.worktree.onChange((change) =>
      changes.push(change.type === "entry" ? `entry ${change.name}` : change.type),
    );
    const { fileId } = b.node("part/a.md");
    a.save("part/a.md", "second");
    a.save("part/new.md", "new");
    a.push();
    b.pull();
    assert.ok(changes.includes("content"));
    assert.ok(changes.includes("entry new.md"));
    assert.equal(b.node("part/a.md").fileId, fileId);
  }));

test("directories that a pull empties go, unless something of this machine is in them", () =>
  shared((a, b) => {
    for (const each of ["x", "y", "z"]) a.save(`${each}/in/a.md`, each);
    a.push();
    b.pull();
    b.makeDirectory("y/in/mine", b.actor);
    b.write("z/in/.a.md.swp", "scratch", b.actor);
    for (const each of ["x", "y", "z"]) a.unlink(`${each}/in/a.md`, a.actor);
    a.settle();
    a.push();
    b.pull();
    assert.equal(b.find("x"), undefined);
    assert.notEqual(b.find("y/in/mine"), undefined);
    assert.equal(b.text("z/in/.a.md.swp"), "scratch");
    b.unlink("z/in/.a.md.swp", b.actor);
  }));

test("S1: scratch in a directory that becomes a file is kept beside it", () =>
  shared((a, b) => {
    a.save("x/a.md", "x");
    a.push();
    b.pull();
    b.write("x/.a.md.swp", "scratch", b.actor);
    a.unlink("x/a.md", a.actor);
    a.settle();
    a.removeDirectory("x", a.actor);
    a.save("x", "a file");
    a.push();
    b.pull();
    b.fetchAll();
    assert.equal(b.text("x"), "a file");
    assert.equal(b.text("x~/.a.md.swp"), "scratch");
  }));

test("W2: what is just being made is saved, and met, where a file comes back below it", () =>
  shared((a, b) => {
    b.rename("part/a.md", "x.md", undefined, b.actor);
    b.settle();
    b.removeDirectory("part", b.actor);
    const file = b.create("part", b.actor);
    file.write(0, Buffer.from("being made"), b.actor);
    a.save("x.md", "a's");
    a.push();
    b.pull();
    b.fetchAll();
    file.release(b.actor);
    assert.equal(b.text("x.md"), "a's");
    assert.equal(b.text("part/a.md"), "first");
    const [id] = [...b.worktree.conflicts.ids(0)];
    assert.equal(b.worktree.conflicts.get(id as number)?.path, "part");
  }));

test("R1: what is just being made in a directory that makes room for a file is saved, and met, before it is scratch", () =>
  shared((a, b) => {
    a.save("d", "a file");
    a.push();
    b.pull();
    b.rename("d", "x.md", undefined, b.actor);
    b.settle();
    b.makeDirectory("d", b.actor);
    const file = b.create("d/n.md", b.actor);
    file.write(0, Buffer.from("being made"), b.actor);
    a.save("x.md", "a's");
    a.push();
    b.pull();
    file.release(b.actor);
    assert.deepEqual([...b.files().keys()], ["d", "part/a.md", "x.md"]);
    assert.equal(b.worktree.conflicts.count, 1);
  }));

test("I1: a file that an editor is writing anew has no second name when others have moved it", () =>
  shared((a, b) => {
    b.rename("part/a.md", "a.md", undefined, b.actor);
    b.settle();
    b.rename("a.md", "a.md~", undefined, b.actor);
    const file = b.create("a.md", b.actor);
    file.write(0, Buffer.from("anew"), b.actor);
    a.rename("part/a.md", "q.md", undefined, a.actor);
    a.settle();
    a.push();
    b.pull();
    file.release(b.actor);
    assert.equal(b.find("a.md"), undefined);
    assert.equal(b.text("q.md"), "anew");
    assert.equal(b.worktree.tree.newborns.size, 0);
  }));

test("C1: who has a user's version open, and has written nothing, sees the base's when the user reverts it elsewhere", () =>
  shared((a, b) => {
    const [carlAtA, carlAtB] = [layerOf(a, CARL), layerOf(b, CARL)];
    carlAtA.write("part/a.md", "carl's");
    a.push();
    b.pull();
    b.fetchAll();
    const file = carlAtB.open("part/a.md");
    try {
      carlAtA.worktree.revert(["part/a.md"], a.actor);
      a.push();
      b.pull();
      assert.equal(contentOf(file).toString(), "first");
      assert.equal(carlAtB.text("part/a.md"), "first");
    } finally {
      file.release(b.actor);
    }
  }));
