// Publishing an overlay into the base: what goes, what is refused and stays.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Actor } from "../../lib/node.ts";
import { PfsError } from "../../schema/errors.ts";
import { parseUserId } from "../../schema/ids.ts";
import {
  ALICE,
  actorNamed,
  type BookFixture,
  contentOf,
  EXCHANGE,
  layerOf,
  withBook,
} from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

const U = parseUserId("alice");
const HIDES: Actor = { ...actorNamed("alice", { mount: "hides" }), hidesBase: true };
const EDITOR = actorNamed("editor");

function withOverlay(use: (base: BookFixture, overlay: BookFixture) => void): void {
  withBook((base) => {
    base.makeDirectories("part/one");
    base.makeDirectories("part/two");
    for (const name of ["a", "b", "c", "d"]) base.write(`part/one/${name}.md`, `base ${name}`);
    base.settle();
    use(base, layerOf(base, U));
    for (const worktree of base.library.openWorktrees()) worktree.settle(0);
    assertSound(base.library);
    assertAtRest(base.library);
  });
}

function outcomes(overlay: BookFixture, ...paths: string[]): Record<string, string> {
  overlay.settle();
  const published = overlay.worktree.publish(paths.length === 0 ? [""] : paths, EDITOR);
  for (const { outcome, reason } of published) assert.equal(reason !== null, outcome === "refused");
  return Object.fromEntries(published.map(({ path, outcome }) => [path, outcome]));
}

test("what a user changed, added, moved and hid becomes the base's, with its identity; the overlay is empty", () =>
  withOverlay((base, alice) => {
    const ids = new Map(["a", "b"].map((name) => [name, base.node(`part/one/${name}.md`).fileId]));
    alice.write("part/one/a.md", "alice's a", HIDES);
    alice.rename("part/one/b.md", "part/two/b2.md", undefined, HIDES);
    alice.write("part/two/b2.md", "moved and changed", HIDES);
    alice.unlink("part/one/c.md", HIDES);
    alice.makeDirectory("part/three", HIDES);
    alice.write("part/three/new.md", "new", HIDES);
    const added = alice.node("part/three/new.md").fileId;
    assert.deepEqual(outcomes(alice), {
      "part/one/a.md": "updated",
      "part/one/c.md": "deleted",
      "part/three/new.md": "created",
      "part/two/b2.md": "moved",
    });
    assert.equal(base.text("part/one/a.md"), "alice's a");
    assert.equal(base.text("part/two/b2.md"), "moved and changed");
    assert.equal(base.text("part/three/new.md"), "new");
    assert.deepEqual(base.list("part/one").sort(), ["a.md", "d.md"]);
    assert.equal(base.node("part/one/a.md").fileId, ids.get("a"));
    assert.equal(base.node("part/two/b2.md").fileId, ids.get("b"));
    assert.equal(base.node("part/three/new.md").fileId, added);
    for (const path of ["part", "part/one", "part/two", "part/three"])
      assert.deepEqual(alice.list(path).sort(), base.list(path).sort());
    assert.deepEqual(outcomes(alice), {});
    const published = base.log().filter(({ agent_id }) => agent_id === "editor");
    assert.ok(published.some(({ user_id, operation }) => user_id === U && operation === "revert"));
    assert.deepEqual(base.worktree.tree.journal.count().files, 4);
  }));

test("W1: what the base has changed meanwhile is refused, named, and nothing is published; the rest can be by its paths", () =>
  withOverlay((base, alice) => {
    alice.write("part/one/a.md", "alice's a");
    alice.write("part/one/b.md", "alice's b");
    alice.write("part/one/d.md", "alice's d");
    alice.write("part/one/x.md", "alice's x");
    alice.write("part/one/same.md", "the same");
    alice.unlink("part/one/c.md", HIDES);
    alice.settle();
    base.write("part/one/a.md", "newer a");
    base.unlink("part/one/b.md");
    base.write("part/one/x.md", "base x");
    base.write("part/one/same.md", "the same");
    base.write("part/one/c.md", "newer c");
    base.settle();
    const { seq } = base.library.log;
    assert.deepEqual(outcomes(alice), {
      "part/one/a.md": "refused",
      "part/one/b.md": "refused",
      "part/one/c.md": "refused",
      "part/one/d.md": "held",
      "part/one/same.md": "held",
      "part/one/x.md": "refused",
    });
    assert.equal(base.library.log.seq, seq, "not a row");
    assert.equal(alice.text("part/one/a.md"), "alice's a");
    assert.equal(alice.text("part/one/b.md"), "alice's b");
    assert.equal(base.text("part/one/a.md"), "newer a");
    assert.equal(base.text("part/one/c.md"), "newer c");
    assert.equal(base.text("part/one/d.md"), "base d");
    assert.equal(base.find("part/one/b.md"), undefined);
    assert.deepEqual(outcomes(alice, "part/one/d.md", "part/one/same.md"), {
      "part/one/d.md": "updated",
      "part/one/same.md": "unchanged",
    });
    // Having seen the base's version, the user begins with it anew.
    alice.worktree.revert(["part/one/a.md"], ALICE);
    alice.write("part/one/a.md", "newer a, and alice's");
    assert.deepEqual(outcomes(alice, "part/one/a.md"), { "part/one/a.md": "updated" });
  }));

test("a whole chapter that a user renamed is renamed in the base", () =>
  withOverlay((base, alice) => {
    alice.rename("part/one", "part/uno", undefined, HIDES);
    const moved = outcomes(alice);
    assert.deepEqual(moved["part/one"], "deleted");
    assert.deepEqual(new Set(Object.values(moved)), new Set(["moved", "deleted"]));
    assert.deepEqual(base.list("part").sort(), ["two", "uno"]);
    assert.deepEqual(alice.list("part").sort(), ["two", "uno"]);
    assert.deepEqual(alice.list("part/uno").sort(), base.list("part/uno").sort());
    assert.deepEqual(outcomes(alice), {});
  }));

test("I1: files that have changed places, or gone round, do so in the base; another overlay's versions follow them", () =>
  withOverlay((base, alice) => {
    const bob = layerOf(base, parseUserId("bob"));
    const ids = new Map(["a", "b", "c", "d"].map((name) => [name, base.node(`part/one/${name}.md`).fileId]));
    bob.write("part/one/a.md", "bob's a");
    const open = base.open("part/one/b.md");
    alice.rename("part/one/a.md", "part/one/b.md", EXCHANGE, HIDES);
    assert.deepEqual(outcomes(alice), { "part/one/a.md": "moved", "part/one/b.md": "moved" });
    assert.equal(base.text("part/one/a.md"), "base b");
    assert.equal(base.text("part/one/b.md"), "base a");
    assert.equal(base.node("part/one/b.md").fileId, ids.get("a"));
    assert.equal(alice.text("part/one/b.md"), "base a");
    assert.equal(bob.text("part/one/b.md"), "bob's a");
    assert.equal(open.path(), "part/one/a.md");
    open.release(ALICE);
    assert.deepEqual(outcomes(alice), {});

    // b → c → d → two/e, with a change on the way.
    alice.rename("part/one/d.md", "part/two/e.md", undefined, HIDES);
    alice.rename("part/one/c.md", "part/one/d.md", undefined, HIDES);
    alice.rename("part/one/b.md", "part/one/c.md", undefined, HIDES);
    alice.append("part/one/c.md", ", changed", HIDES);
    alice.write("part/one/b.md", "new", HIDES);
    assert.deepEqual(outcomes(alice), {
      "part/one/b.md": "created",
      "part/one/c.md": "moved",
      "part/one/d.md": "moved",
      "part/two/e.md": "moved",
    });
    assert.deepEqual(
      ["one/a", "one/b", "one/c", "one/d", "two/e"].map((path) => base.text(`part/${path}.md`)),
      ["base b", "new", "base a, changed", "base c", "base d"],
    );
    assert.equal(base.node("part/two/e.md").fileId, ids.get("d"));
    assert.equal(bob.text("part/one/c.md"), "bob's a");
  }));

test("W1: what a user has put in place of the base's file replaces it, if the base has not changed that since", () =>
  withOverlay((base, alice) => {
    const { fileId } = base.node("part/one/b.md");
    alice.rename("part/one/a.md", "part/one/b.md", undefined, HIDES);
    alice.unlink("part/one/c.md", HIDES);
    alice.settle();
    alice.write("part/one/c.md", "another c", HIDES);
    alice.write("part/one/new.md", "another d", HIDES);
    alice.rename("part/one/new.md", "part/one/d.md", undefined, HIDES);
    base.write("part/one/d.md", "newer d");
    assert.deepEqual(outcomes(alice), {
      "part/one/b.md": "held",
      "part/one/c.md": "held",
      "part/one/d.md": "refused",
    });
    assert.deepEqual(outcomes(alice, "part/one/b.md", "part/one/c.md"), {
      "part/one/b.md": "moved",
      "part/one/c.md": "updated",
    });
    assert.deepEqual(base.list("part/one").sort(), ["b.md", "c.md", "d.md"]);
    assert.equal(base.text("part/one/b.md"), "base a");
    assert.notEqual(base.node("part/one/b.md").fileId, fileId);
    assert.equal(base.text("part/one/c.md"), "another c");
    assert.equal(alice.text("part/one/d.md"), "another d");
  }));

test("what stands in the way in the base is named, and nothing is published", () =>
  withOverlay((base, alice) => {
    alice.write("part/one/a.md", "alice's a");
    alice.makeDirectory("part/x");
    alice.write("part/x/y.md", "y");
    alice.write("part/z", "z");
    base.write("part/x", "a file");
    base.makeDirectory("part/z");
    const seen = alice.worktree.publish([""], EDITOR);
    assert.deepEqual(
      seen.map(({ path, outcome, reason }) => [path, outcome, reason]),
      [
        ["part/one/a.md", "held", null],
        ["part/x/y.md", "refused", "The base has a file at part/x."],
        ["part/z", "refused", "The base has a directory at part/z."],
      ],
    );
    assert.equal(base.text("part/one/a.md"), "base a");
  }));

test("a publish that cannot be finished is undone wholly, also what it had done to other paths", () =>
  withOverlay((base, alice) => {
    base.makeDirectory("part/three");
    alice.removeDirectory("part/three", HIDES);
    alice.write("part/one/a.md", "alice's a");
    alice.rename("part/one/b.md", "part/one/c.md", EXCHANGE, HIDES);
    alice.unlink("part/one/d.md", HIDES);
    alice.settle();
    base.write("part/three/new.md", "new");
    const { seq } = base.library.log;
    assert.deepEqual(outcomes(alice), {
      "part/one/a.md": "held",
      "part/one/b.md": "held",
      "part/one/c.md": "held",
      "part/one/d.md": "held",
      "part/three": "refused",
    });
    assert.equal(base.library.log.seq, seq);
    assert.deepEqual(
      ["a", "b", "c", "d"].map((name) => base.text(`part/one/${name}.md`)),
      ["base a", "base b", "base c", "base d"],
    );
    assert.deepEqual(alice.list("part/one").sort(), ["a.md", "b.md", "c.md"]);
    assert.equal(alice.text("part/one/b.md"), "base c");
    assert.equal(alice.find("part/three"), undefined);
  }));

test("drafts are not published, neither over one in the base; open files go on with the base's version", () =>
  withOverlay((base, alice) => {
    alice.write("part/one/a.md", "alice's a");
    const draft = base.open("part/one/a.md");
    draft.write(0, Buffer.from("BASE"), ALICE);
    assert.deepEqual(outcomes(alice), { "part/one/a.md": "refused" });
    draft.commit(ALICE, { durable: false });
    draft.release(ALICE);
    alice.worktree.revert([""], ALICE);
    alice.write("part/one/b.md", "alice's b");
    const open = alice.open("part/one/b.md");
    assert.deepEqual(outcomes(alice), { "part/one/b.md": "updated" });
    base.write("part/one/b.md", "the next b");
    assert.equal(contentOf(open).toString(), "the next b");
    open.release(ALICE);
    assert.throws(
      () => base.worktree.publish([""], ALICE),
      (error) => error instanceof PfsError && error.code === "USAGE",
    );
  }));

test("a hidden directory that has files in the base again stays wholly there, with its empty directories", () =>
  withOverlay((base, alice) => {
    base.makeDirectories("part/three");
    alice.removeDirectory("part/three", HIDES);
    base.makeDirectories("part/three/empty");
    base.makeDirectories("part/three/full");
    base.write("part/three/full/new.md", "new");
    assert.deepEqual(outcomes(alice, "part/three"), { "part/three": "refused" });
    assert.deepEqual(base.list("part/three").sort(), ["empty", "full"]);
    assert.equal(alice.find("part/three"), undefined);
  }));
