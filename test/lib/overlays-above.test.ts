// What moves, removals and new names in the base mean for what a user's overlay has there.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Actor } from "../../lib/node.ts";
import { PfsError, PosixError } from "../../schema/errors.ts";
import { parseProfile } from "../../schema/profiles.ts";
import { ALICE, actorNamed, type BookFixture, closing, EXCHANGE, layerOf, withBook } from "./book-fixture.ts";
import { OVERLAY_USER as U, withOverlay } from "./overlay-fixture.ts";

const HIDES: Actor = { ...actorNamed("alice", { mount: "hides" }), hidesBase: true };

const refused = (code: string) => (error: unknown) => error instanceof PfsError && error.code === code;

test("a directory that a user shares with the base has one link, as in overlayfs; what is of one layer counts", () =>
  withOverlay((base, alice) => {
    const links = (book: BookFixture, path: string) => book.node(path).nlink;
    alice.makeDirectories("part/three/own");
    base.makeDirectory("part/four");
    base.makeDirectory("part/.git");
    assert.deepEqual(
      ["", "part", "part/four"].map((path) => links(alice, path)),
      [1, 1, 1],
    );
    assert.deepEqual(
      ["", "part", "part/four"].map((path) => links(base, path)),
      [3, 6, 2],
    );
    assert.deepEqual(
      ["part/three", "part/three/own"].map((path) => links(alice, path)),
      [3, 2],
    );
    alice.removeDirectory("part/four", HIDES);
    alice.rename("part", "moved", undefined, HIDES);
    assert.deepEqual(
      ["moved", "moved/three", "moved/one"].map((path) => links(alice, path)),
      [5, 3, 2],
    );
    alice.removeDirectory("moved/three/own", HIDES);
    assert.equal(links(alice, "moved/three"), 2);
    assert.deepEqual(
      ["", "part"].map((path) => links(base, path)),
      [3, 6],
    );
  }));

test("I1: the base exchanges a file and a directory: an overlay's versions follow both", () =>
  withOverlay((base, alice) => {
    base.write("part/d.md", "base d");
    alice.write("part/d.md", "alice's d");
    alice.write("part/one/a.md", "alice's a");
    base.rename("part/one", "part/d.md", EXCHANGE);
    assert.deepEqual(alice.list("part").sort(), ["d.md", "one", "two"]);
    assert.equal(alice.text("part/one"), "alice's d");
    assert.equal(alice.text("part/d.md/a.md"), "alice's a");
  }));

test("I1: the base exchanges a file with one in a directory that an overlay does not share: what it has stays", () =>
  withOverlay((base, alice) => {
    base.makeDirectories("a");
    base.write("a/b", "1");
    base.write("b", "2");
    alice.rename("b", "a", EXCHANGE, HIDES);
    base.rename("a", "b", EXCHANGE);
    base.rename("a", "b/b", EXCHANGE);
    assert.deepEqual([base.text("a"), base.text("b/b")], ["1", "2"]);
    assert.deepEqual([alice.text("a"), alice.text("b/b")], ["2", "1"]);
  }));

test("I1: the base exchanges two, and an overlay has something else at one of the names: what it has stays", () =>
  withOverlay((base, alice) => {
    alice.write("part/e", "alice's e");
    alice.makeDirectory("part/one/own");
    alice.write("part/one/own/x.md", "alice's x");
    base.write("part/e", "base e");
    base.rename("part/one", "part/e", EXCHANGE);
    assert.deepEqual(alice.list("part").sort(), ["e", "one", "two"]);
    assert.equal(alice.text("part/e"), "alice's e");
    assert.deepEqual(alice.list("part/one"), ["own"]);
    assert.equal(alice.text("part/one/own/x.md"), "alice's x");
  }));

test("I1: what an overlay has only directories or scratch in stays, too, when the base moves to a name that is taken", () =>
  withOverlay((base, alice) => {
    alice.makeDirectory("part/three");
    alice.makeDirectories("part/one/own/empty");
    alice.write("part/two/.x.swp", "scratch");
    base.rename("part/one", "part/three");
    assert.deepEqual(alice.list("part/one"), ["own"]);
    assert.deepEqual(alice.list("part/three"), []);
    assert.equal(alice.node("part/one/own").nlink, 3);
    base.rename("part/two", "part/one");
    assert.deepEqual(alice.list("part/two"), [".x.swp"]);
    assert.equal(alice.text("part/two/.x.swp"), "scratch");
  }));

test("I1: an overlay's version does not follow into a directory where the overlay has a file", () =>
  withOverlay((base, alice) => {
    alice.write("part/e", "alice's e");
    base.makeDirectory("part/e");
    alice.write("part/one/a.md", "alice's a");
    base.rename("part/one/a.md", "part/e/a.md");
    assert.equal(alice.text("part/e"), "alice's e");
    assert.equal(alice.text("part/one/a.md"), "alice's a");
  }));

test("a file that is written anew in an overlay stays at its name when the base gets one there", () =>
  withOverlay((base, alice) => {
    alice.rename("part/one/a.md", "part/one/d.md", undefined, HIDES);
    alice.unlink("part/one/d.md", HIDES);
    const file = alice.create("part/one/d.md", HIDES);
    closing(file, HIDES, () => {
      file.write(0, Buffer.from("alice's d"), HIDES);
      base.write("part/one/d.md", "base d");
    });
    assert.equal(alice.text("part/one/d.md"), "alice's d");
    assert.deepEqual(alice.list("part/one").sort(), ["b.md", "d.md"]);
  }));

test("W2: a file that a user is writing for the first time is saved where it was, whatever becomes of the base's directory", () =>
  withOverlay((base, alice) => {
    const actor = actorNamed("alice", { mount: "alice" });
    base.makeDirectory("part/three");
    base.makeDirectory("part/four");
    alice.makeDirectory("part/taken");
    const removed = alice.create("part/three/new.md", actor);
    const moved = alice.create("part/four/new.md", actor);
    const split = alice.create("part/one/new.md", actor);
    const changed = alice.open("part/one/a.md");
    for (const file of [removed, moved, split, changed]) file.write(0, Buffer.from("alice's"), actor);
    base.removeDirectory("part/three");
    base.rename("part/four", "part/five");
    base.rename("part/one", "part/taken");
    for (const file of [removed, moved, split]) closing(file, actor, () => undefined);
    assert.equal(alice.text("part/three/new.md"), "alice's");
    assert.equal(alice.text("part/five/new.md"), "alice's");
    assert.equal(alice.text("part/one/new.md"), "alice's");
    assert.throws(
      () => changed.commit(actor, { durable: false }),
      refused("CONFLICT"),
      "its base has moved away",
    );
    changed.release(actor);
  }));

test("R1: an overlay's file does not follow the base's directory to where the schema has no place for it", () =>
  withBook(
    (base) => {
      const alice = layerOf(base, U);
      base.makeDirectories("notes/one");
      base.makeDirectories("pages");
      base.write("notes/one/a.md", "base a");
      alice.write("notes/one/a.md", "alice's a");
      alice.write("notes/one/b.txt", "alice's b");
      const open = alice.create("notes/one/c.txt");
      base.rename("notes/one", "pages/one");
      closing(open, ALICE, () => open.write(0, Buffer.from("alice's c"), ALICE));
      assert.deepEqual(alice.list("notes/one").sort(), ["a.md", "b.txt", "c.txt"]);
      assert.deepEqual(base.list("pages/one"), ["a.md"]);
      assert.deepEqual(alice.list("pages/one"), []);
      for (const row of base.log()) assert.ok(!/^pages.*txt$/.test(row.path), row.path);
    },
    { profile: parseProfile({ name: "mine", patterns: ["notes/**/*.(md|txt)", "pages/**/*.md"] }) },
  ));

test("nothing can be made in a directory that the base has removed, by those either who knew it in an overlay", () =>
  withOverlay((base, alice) => {
    base.makeDirectory("part/three");
    const { fileId } = alice.node("part/three");
    alice.write("part/three/x.md", "alice's x");
    alice.unlink("part/three/x.md");
    alice.settle();
    base.removeDirectory("part/three");
    const gone = (error: unknown) => error instanceof PosixError && error.code === "ENOENT";
    assert.throws(() => alice.worktree.makeDirectory(fileId, "own", 0o755, ALICE), gone);
    assert.throws(() => alice.worktree.create(fileId, "x.md", 0o644, ALICE), gone);
  }));

test("I1: a directory that a user has moved shows there alone, wherever the base moves it to", () =>
  withOverlay((base, alice) => {
    const { fileId } = alice.node("part/one");
    alice.rename("part", "mine", undefined, HIDES);
    base.rename("part/one", "one");
    assert.deepEqual(alice.list(""), ["mine"]);
    assert.equal(alice.find("one"), undefined);
    assert.equal(alice.text("mine/one/a.md"), "base a");
    assert.equal(alice.worktree.get(fileId)?.parent, alice.node("mine").fileId);
    assert.deepEqual(base.list("").sort(), ["one", "part"]);
  }));

test("I1: a path that a user is writing anew keeps its place while the base moves the file that was there", () =>
  withOverlay((base, alice) => {
    alice.write("part/one/a.md", "alice's a");
    alice.unlink("part/one/a.md", HIDES);
    const open = alice.create("part/one/a.md", HIDES);
    base.rename("part/one/a.md", "part/one/b.md", EXCHANGE);
    closing(open, HIDES, () => open.write(0, Buffer.from("alice's a again"), HIDES));
    assert.equal(alice.text("part/one/a.md"), "alice's a again");
    assert.equal(base.text("part/one/b.md"), "base a");
  }));

test("W2: what is written into a file of the base that has moved beneath a user's own directory is refused and kept", () =>
  withOverlay((base, alice) => {
    alice.makeDirectory("part/one/c.md");
    const open = alice.open("part/one/a.md");
    open.write(0, Buffer.from("alice's a"), ALICE);
    base.rename("part/one/a.md", "part/one/c.md");
    assert.throws(() => open.commit(ALICE, { durable: false }), refused("CONFLICT"));
    open.release(ALICE);
    assert.deepEqual(alice.list("part/one").sort(), ["b.md", "c.md"]);
    const [id] = [...alice.worktree.conflicts.ids(0)];
    assert.equal(alice.worktree.conflicts.get(id as number)?.path, "part/one/a.md");
  }));

test("attributes of an open file of the base that shows to the user no more are not set", () =>
  withOverlay((base, alice) => {
    alice.makeDirectory("part/three");
    const { fileId } = alice.node("part/one/a.md");
    base.rename("part/one", "part/three");
    const gone = (error: unknown) => error instanceof PosixError && error.code === "ENOENT";
    assert.throws(() => alice.worktree.setAttributes(fileId, { mode: 0o755 }, ALICE), gone);
  }));

test("W2: a file that a user is making stays at its name when the base moves there what the user has something in", () =>
  withOverlay((base, alice) => {
    alice.write("part/one/x.md", "alice's x");
    const open = alice.create("part/three");
    base.rename("part/one", "part/three");
    closing(open, ALICE, () => open.write(0, Buffer.from("alice's three"), ALICE));
    assert.deepEqual(alice.list("part").sort(), ["one", "three", "two"]);
    assert.equal(alice.text("part/three"), "alice's three");
    assert.equal(alice.text("part/one/x.md"), "alice's x");
  }));

test("W2: a user's version stays where it is when the base moves its file below the name of one that the user is making", () =>
  withOverlay((base, alice) => {
    alice.write("part/two/c.md", "alice's c");
    const open = alice.create("part/three");
    base.rename("part/one", "part/three");
    base.rename("part/two/c.md", "part/three/c.md");
    closing(open, ALICE, () => open.write(0, Buffer.from("alice's three"), ALICE));
    assert.equal(alice.text("part/three"), "alice's three");
    assert.equal(alice.text("part/two/c.md"), "alice's c");
  }));

test("W2: what a user has written into a file of the base is kept when the base removes that with its directory", () =>
  withOverlay((base, alice) => {
    const open = alice.open("part/two/c.md");
    open.write(0, Buffer.from("alice's c"), ALICE);
    base.unlink("part/two/c.md");
    base.settle();
    base.removeDirectory("part/two");
    assert.throws(() => open.commit(ALICE, { durable: false }), refused("CONFLICT"));
    open.release(ALICE);
    const [id] = [...alice.worktree.conflicts.ids(0)];
    assert.equal(alice.worktree.conflicts.get(id as number)?.path, "part/two/c.md");
  }));

test("I1: a file does not follow the base to the name of a directory that the user keeps", () =>
  withOverlay((base, alice) => {
    base.makeDirectories("part/two/deep");
    base.write("part/two/deep/d.md", "base d");
    alice.rename("part/one", "part/two/deep", EXCHANGE, HIDES);
    base.rename("part/two/deep", "part/one", EXCHANGE);
    base.rename("part/two", "part/one/d.md", EXCHANGE);
    assert.equal(base.text("part/two"), "base d");
    assert.deepEqual(alice.list("part").sort(), ["one", "two"]);
    assert.equal(alice.text("part/one/d.md"), "base d");
    assert.equal(alice.text("part/two/deep/a.md"), "base a");
  }));

test("a directory that a user made shows nothing of one that the base makes there, until the user's is published", () =>
  withOverlay((base, alice) => {
    alice.makeDirectories("part/three");
    alice.write("part/three/a.md", "alice's");
    base.makeDirectories("part/three");
    base.write("part/three/b.md", "base's");
    assert.deepEqual(alice.list("part/three"), ["a.md"]);
    const [published] = alice.worktree.publish(["part/three"], HIDES);
    assert.equal(published?.path, "part/three/a.md");
    assert.deepEqual(alice.list("part/three").sort(), ["a.md", "b.md"]);
  }));
