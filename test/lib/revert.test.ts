// Reverting an overlay: what goes, and what shows again where.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Actor, Change } from "../../lib/node.ts";
import { PfsError } from "../../schema/errors.ts";
import { ALICE, actorNamed, contentOf } from "./book-fixture.ts";
import { withOverlay } from "./overlay-fixture.ts";

const HIDES: Actor = { ...actorNamed("alice", { mount: "hides" }), hidesBase: true };

const refused = (code: string) => (error: unknown) => error instanceof PfsError && error.code === code;

test("revert gives up files, directories and whiteouts; open files show the base; unsaved ones refuse it", () =>
  withOverlay((base, alice) => {
    alice.write("part/one/a.md", "alice's a");
    alice.makeDirectory("part/mine");
    alice.write("part/mine/x.md", "x");
    alice.unlink("part/two/c.md", HIDES);
    alice.settle();
    const open = alice.open("part/one/a.md");
    try {
      open.write(0, Buffer.from("ALICE"), ALICE);
      assert.throws(() => alice.worktree.revert([""], ALICE), refused("CONFLICT"));
      open.commit(ALICE, { durable: false });
      assert.deepEqual(alice.worktree.revert(["part/one/a.md"], ALICE), [
        { path: "part/one/a.md", was: "changed" },
      ]);
      assert.equal(contentOf(open).toString(), "base a");
    } finally {
      open.release(ALICE);
    }
    assert.deepEqual(alice.worktree.revert(["nowhere"], ALICE), []);
    for (const path of ["../f", "/f", "a//b"])
      assert.throws(() => alice.worktree.revert([path], ALICE), refused("INVALID_PATH"));
    assert.deepEqual(alice.worktree.revert([""], ALICE), [
      { path: "part/mine", was: "directory" },
      { path: "part/mine/x.md", was: "added" },
      { path: "part/two/c.md", was: "hidden" },
    ]);
    assert.equal(alice.text("part/two/c.md"), "base c");
    assert.throws(() => base.worktree.revert([""], ALICE), refused("USAGE"));
  }));

test("reverting a file that the user moved shows it where the base has it", () =>
  withOverlay((base, alice) => {
    alice.rename("part/one/a.md", "part/two/moved.md", undefined, HIDES);
    assert.deepEqual(alice.worktree.revert(["part/two/moved.md"], ALICE), [
      { path: "part/two/moved.md", was: "changed" },
    ]);
    assert.equal(alice.text("part/one/a.md"), "base a");
    assert.deepEqual(alice.list("part/two"), ["c.md"]);
    assert.equal(base.text("part/one/a.md"), "base a");
  }));

test("reverting one file of a directory that the user moved shows it at the base's path; what else is there stays as it is", () =>
  withOverlay((base, alice) => {
    base.makeDirectories("part/one/deep");
    base.write("part/one/deep/d.md", "base d");
    base.write("part/one/gone.md", "base gone");
    const { fileId } = base.node("part/one");
    alice.rename("part/one", "part/uno", undefined, HIDES);
    alice.unlink("part/uno/gone.md", HIDES);
    alice.write("part/uno/own.md", "own", HIDES);
    alice.settle();
    const told: Change[] = [];
    const stop = alice.worktree.onChange((change) => told.push(change));
    assert.deepEqual(alice.worktree.revert(["part/uno/a.md"], ALICE), [
      { path: "part/uno/a.md", was: "changed" },
    ]);
    stop();
    assert.deepEqual(alice.list("part").sort(), ["one", "two", "uno"]);
    assert.deepEqual(alice.list("part/one"), ["a.md"]);
    assert.equal(alice.text("part/one/a.md"), "base a");
    assert.deepEqual(alice.list("part/uno").sort(), ["b.md", "deep", "own.md"]);
    assert.equal(alice.text("part/uno/own.md"), "own");
    assert.equal(alice.text("part/uno/deep/d.md"), "base d");
    assert.equal(alice.node("part/one").fileId, fileId, "the base's directory is the base's again");
    const names = told.flatMap((change) => (change.type === "entry" ? [change.name] : []));
    for (const name of ["a.md", "b.md", "deep", "own.md", "one", "uno"])
      assert.ok(names.includes(name), name);
    // What the base changes shows there at once.
    base.write("part/one/a.md", "newer a");
    base.write("part/one/added.md", "added");
    assert.equal(alice.text("part/one/a.md"), "newer a");
    assert.deepEqual(alice.list("part/one").sort(), ["a.md", "added.md"]);
    alice.worktree.revert(["part/uno/deep/d.md", "part/uno/b.md"], ALICE);
    assert.deepEqual(alice.list("part/one").sort(), ["a.md", "added.md", "b.md", "deep"]);
    assert.equal(alice.text("part/one/deep/d.md"), "base d");
    assert.deepEqual(alice.list("part/uno").sort(), ["deep", "own.md"]);
    alice.worktree.revert([""], ALICE);
    assert.deepEqual(alice.list("part/one").sort(), base.list("part/one").sort());
    assert.deepEqual(alice.list("part").sort(), ["one", "two"]);
  }));

test("reverting a directory that the user moved shows the base's again, and what was deleted in it; also below another", () =>
  withOverlay((base, alice) => {
    base.makeDirectories("part/one/deep");
    base.write("part/one/deep/d.md", "base d");
    alice.rename("part", "teil", undefined, HIDES);
    alice.rename("teil/one", "eins", undefined, HIDES);
    alice.unlink("eins/b.md", HIDES);
    alice.settle();
    assert.deepEqual(
      alice.worktree.revert(["eins"], ALICE).map(({ path }) => path),
      ["eins", "eins/a.md", "eins/b.md", "eins/deep", "eins/deep/d.md"],
    );
    assert.deepEqual(alice.list("").sort(), ["part", "teil"]);
    assert.deepEqual(alice.list("part"), ["one"]);
    assert.deepEqual(alice.list("part/one").sort(), ["a.md", "b.md", "deep"]);
    assert.deepEqual(alice.list("teil"), ["two"]);
    alice.worktree.revert([""], ALICE);
    assert.deepEqual(alice.list(""), ["part"]);
    assert.deepEqual(alice.list("part").sort(), ["one", "two"]);
  }));

test("a file whose directory cannot show again, as the user has something else of its name, is not reverted", () =>
  withOverlay((_base, alice) => {
    alice.rename("part/one", "part/uno", undefined, HIDES);
    alice.write("part/uno/a.md", "alice's a", HIDES);
    alice.makeDirectory("part/one", HIDES);
    alice.write("part/one/mine.md", "mine", HIDES);
    const seq = alice.library.log.seq;
    assert.throws(() => alice.worktree.revert(["part/uno/a.md"], ALICE), refused("NOT_PERMITTED"));
    assert.equal(alice.library.log.seq, seq);
    assert.equal(alice.text("part/uno/a.md"), "alice's a");
    assert.equal(alice.text("part/one/mine.md"), "mine");
    alice.worktree.revert(["part/uno/a.md", "part/one"], ALICE);
    assert.deepEqual(alice.list("part/one"), ["a.md"]);
    assert.deepEqual(alice.list("part/uno"), ["b.md"]);
  }));
