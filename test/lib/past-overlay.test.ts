// What a user saw at a position of the log, as the log has it: the user's own over the base, less what was elsewhere or hidden.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type Actor, isDirectory } from "../../lib/node.ts";
import { PastOverlay } from "../../lib/past/past-overlay.ts";
import { rangeBelow } from "../../lib/past/past-view.ts";
import { userChangesBetween } from "../../lib/past/user-changes.ts";
import { noteUntold } from "../../lib/worktree/tell-sight.ts";
import { BASE, parseUserId, type Seq } from "../../schema/ids.ts";
import { ALICE, actorNamed, BOOK, type BookFixture, layerOf, withBook } from "./book-fixture.ts";
import { OVERLAY_USER, withOverlay } from "./overlay-fixture.ts";

const HIDES: Actor = { ...actorNamed("alice", { mount: "hides" }), hidesBase: true };

function here(alice: BookFixture): Seq {
  for (const worktree of alice.library.openWorktrees()) worktree.settle(0);
  return alice.library.log.seq as Seq;
}

/** Paths below part/, without it and the ending. */
function seen({ library }: BookFixture, seq: Seq): string[] {
  const past = new PastOverlay(library.store.database, BOOK, OVERLAY_USER);
  return [...past.filesIn(rangeBelow("part"), seq)].map(({ path, sha256 }) => {
    assert.equal(past.file(path, seq)?.sha256, sha256);
    return path.slice("part/".length, -".md".length);
  });
}

/** Files at and below a path, as the user's mount has them. */
function filesOf(book: BookFixture, path: string): string[] {
  if (!isDirectory(book.node(path).mode)) return [path];
  return book
    .list(path)
    .flatMap((name) => filesOf(book, `${path}/${name}`))
    .sort();
}

function differing(book: BookFixture, from: Seq, to: Seq): string[] {
  const query = { bookId: BOOK, userId: OVERLAY_USER, from, to, below: "" };
  return [...userChangesBetween(book.library.store.database, query)].map(({ path, before, after }) => {
    const change = before === undefined ? "+" : after === undefined ? "-" : "~";
    return `${change}${path.slice("part/".length, -".md".length)}`;
  });
}

test("R5: what a user saw at a position is the own versions of then over the base of then, and nobody else's", () =>
  withOverlay((base, alice) => {
    const bob = layerOf(base, parseUserId("bob"));
    const first = here(alice);
    alice.write("part/one/a.md", "alice's a");
    bob.write("part/one/b.md", "bob's b");
    bob.write("part/one/bob.md", "bob's");
    const second = here(alice);
    base.write("part/one/new.md", "new");
    base.write("part/one/a.md", "newer a");
    alice.unlink("part/one/b.md", HIDES);
    const third = here(alice);
    alice.worktree.revert([""], ALICE);
    const fourth = here(alice);
    assert.deepEqual(seen(alice, first), ["one/a", "one/b", "two/c"]);
    assert.deepEqual(seen(alice, second), ["one/a", "one/b", "two/c"]);
    assert.deepEqual(seen(alice, third), ["one/a", "one/new", "two/c"]);
    assert.deepEqual(seen(alice, fourth), ["one/a", "one/b", "one/new", "two/c"]);
    assert.deepEqual(differing(alice, first, second), ["~one/a"]);
    assert.deepEqual(differing(alice, second, third), ["-one/b", "+one/new"]);
    assert.deepEqual(differing(alice, third, fourth), ["~one/a", "+one/b"]);
    assert.deepEqual(differing(alice, fourth, third), ["~one/a", "-one/b"]);
  }));

test("a directory that a user moved was elsewhere; what was deleted in it shows again when that is reverted", () =>
  withOverlay((base, alice) => {
    alice.rename("part/one", "part/uno", undefined, HIDES);
    const moved = here(alice);
    alice.unlink("part/uno/b.md", HIDES);
    const deleted = here(alice);
    base.write("part/one/added.md", "added");
    const added = here(alice);
    alice.worktree.revert(["part/uno"], ALICE);
    const reverted = here(alice);
    assert.deepEqual(alice.list("part").sort(), ["one", "two"]);
    assert.deepEqual(seen(alice, moved), ["two/c", "uno/a", "uno/b"]);
    assert.deepEqual(seen(alice, deleted), ["two/c", "uno/a"]);
    assert.deepEqual(seen(alice, added), ["two/c", "uno/a"]);
    assert.deepEqual(seen(alice, reverted), ["one/a", "one/added", "one/b", "two/c"]);
    assert.deepEqual(differing(alice, moved, reverted), [
      "+one/a",
      "+one/added",
      "+one/b",
      "-uno/a",
      "-uno/b",
    ]);
  }));

test("a file that a user moved, and that which it replaced or was replaced by, are where they were", () =>
  withOverlay((_base, alice) => {
    alice.rename("part/one/a.md", "part/one/b.md", undefined, HIDES);
    const moved = here(alice);
    alice.unlink("part/one/b.md");
    const gone = here(alice);
    alice.worktree.revert([""], ALICE);
    assert.deepEqual(seen(alice, moved), ["one/b", "two/c"]);
    assert.deepEqual(seen(alice, gone), ["one/b", "two/c"]);
    assert.deepEqual(seen(alice, here(alice)), ["one/a", "one/b", "two/c"]);
  }));

test("a hidden file that the base deletes and restores shows, as on the mount", () =>
  withOverlay((base, alice) => {
    const before = here(alice);
    alice.unlink("part/two/c.md", HIDES);
    const hidden = here(alice);
    base.unlink("part/two/c.md");
    here(alice);
    base.worktree.restore(before, ["part/two/c.md"], ALICE);
    assert.deepEqual(seen(alice, hidden), ["one/a", "one/b"]);
    assert.equal(alice.text("part/two/c.md"), "base c");
    assert.deepEqual(seen(alice, here(alice)), ["one/a", "one/b", "two/c"]);
  }));

test("a file that a user has put in place of a hidden one is reverted, and the log says of the hidden one that it shows", () =>
  withOverlay((_base, alice) => {
    alice.unlink("part/two/c.md", HIDES);
    here(alice);
    alice.write("part/two/c.md", "alice's other c", HIDES);
    const replaced = here(alice);
    assert.deepEqual(alice.worktree.revert(["part/two/c.md"], ALICE), [
      { path: "part/two/c.md", was: "added" },
    ]);
    assert.equal(alice.text("part/two/c.md"), "base c");
    assert.deepEqual(alice.story(replaced), ["revert part/two/c.md", "revert part/two/c.md"]);
    assert.deepEqual(seen(alice, here(alice)), ["one/a", "one/b", "two/c"]);
  }));

test("a file that the base moves to the name of one that a user hides is another, and shows", () =>
  withOverlay((base, alice) => {
    alice.unlink("part/two/c.md", HIDES);
    here(alice);
    base.rename("part/one/a.md", "part/two/c.md");
    assert.equal(alice.text("part/two/c.md"), "base a");
    assert.deepEqual(seen(alice, here(alice)), ["one/b", "two/c"]);
  }));

test("a file that a user has elsewhere does not show where the base makes it anew; one whose version the user deletes does", () =>
  withOverlay((base, alice) => {
    const before = here(alice);
    alice.rename("part/one/a.md", "part/one/moved.md", undefined, HIDES);
    alice.write("part/two/c.md", "alice's c", HIDES);
    here(alice);
    base.unlink("part/one/a.md");
    base.unlink("part/two/c.md");
    here(alice);
    alice.unlink("part/two/c.md", HIDES);
    const gone = here(alice);
    assert.deepEqual(seen(alice, gone), ["one/b", "one/moved"]);
    base.worktree.restore(before, ["part/one/a.md", "part/two/c.md"], ALICE);
    assert.equal(alice.find("part/one/a.md"), undefined);
    assert.equal(alice.text("part/two/c.md"), "base c");
    assert.deepEqual(seen(alice, here(alice)), ["one/b", "one/moved", "two/c"]);
  }));

test("FR-018: what the base makes where a user has hidden the directory is a row of that user's, and again when it shows", () =>
  withOverlay((base, alice) => {
    alice.unlink("part/two/c.md", HIDES);
    alice.removeDirectory("part/two", HIDES);
    const hidden = here(alice);
    base.write("part/two/new.md", "new");
    const [made, covered] = base.log(hidden);
    assert.deepEqual(
      [made, covered].map((row) => [row?.operation, row?.user_id, row?.agent_id, row?.file_id]),
      [
        ["create", BASE, "alice", base.node("part/two/new.md").fileId],
        ["cover", OVERLAY_USER, "alice", base.node("part/two/new.md").fileId],
      ],
    );
    const added = here(alice);
    base.write("part/two/new.md", "newer");
    assert.deepEqual(base.story(added), ["update part/two/new.md"]);
    alice.worktree.revert(["part/two"], ALICE);
    assert.ok(base.story(added).includes("uncover part/two/new.md"));
    assert.deepEqual(seen(alice, added), ["one/a", "one/b"]);
    assert.deepEqual(seen(alice, here(alice)), ["one/a", "one/b", "two/c", "two/new"]);
    assert.deepEqual(differing(alice, added, here(alice)), ["+two/c", "+two/new"]);
  }));

test("FR-018: a file of the base in the place of a directory in which a user has reverted, renamed and removed", () =>
  withBook((base) => {
    base.makeDirectories("a/b");
    base.write("a/b/a", "base a/b/a");
    const alice = layerOf(base, OVERLAY_USER);
    const look = (): [Seq, string[]] => [
      here(alice),
      alice.find("a") === undefined ? [] : filesOf(alice, "a"),
    ];
    const looks: [Seq, string[]][] = [];
    const steps = [
      () => alice.write("a/b/b", "alice's", HIDES),
      () => base.write("a/a", "base a/a"),
      () => base.unlink("a/a"),
      () => alice.worktree.revert(["a"], ALICE),
      () => alice.write("a/b/b", "alice's again", HIDES),
      () => alice.unlink("a/b/b", HIDES),
      () => alice.rename("a/b", "a/a", undefined, HIDES),
      () => base.unlink("a/b/a"),
      () => base.removeDirectory("a/b"),
      () => base.removeDirectory("a"),
      () => base.write("a", "base a"),
    ];
    for (const one of steps) {
      one();
      looks.push(look());
    }
    const past = new PastOverlay(base.library.store.database, BOOK, OVERLAY_USER);
    for (const [seq, files] of looks)
      assert.deepEqual(
        [...past.filesIn(rangeBelow(""), seq)].map(({ path }) => path).sort(),
        files,
        `${seq}`,
      );
    assert.deepEqual(looks.at(-1)?.[1], ["a/a/a"]);
  }));

test("FR-018: a store whose log did not say yet what users see of the base says it when it is opened", () =>
  withOverlay((base, alice) => {
    const { store } = base.library;
    alice.rename("part/one", "part/uno", undefined, HIDES);
    const moved = here(alice);
    // As an earlier version did.
    const triggers = store.database.prepare("SELECT name FROM temp.sqlite_schema WHERE type = 'trigger'");
    for (const name of triggers.pluck().all() as string[]) store.database.exec(`DROP TRIGGER temp.${name}`);
    base.write("part/one/new.md", "new");
    assert.deepEqual(base.story(moved), ["create part/one/new.md"]);
    noteUntold(store);
    const before = here(alice);
    assert.deepEqual(seen(alice, before), ["one/new", "two/c", "uno/a", "uno/b"]);
    base.reopen();
    assert.deepEqual(base.story(before), ["cover part/one/new.md"]);
    assert.deepEqual(seen(base, here(base)), ["two/c", "uno/a", "uno/b"]);
    base.reopen();
    assert.deepEqual(base.story(before), ["cover part/one/new.md"]);
  }));

test("what was refused to a user changes nothing of what the user saw", () =>
  withOverlay((_base, alice) => {
    alice.unlink("part/one/b.md", HIDES);
    here(alice);
    for (const path of ["part/one/a.md", "part/two/c.md"])
      assert.throws(() => alice.rename(path, "part/one/other.md", undefined, ALICE), {
        code: "NOT_PERMITTED",
      });
    assert.equal(alice.story().at(-1), "refused rename part/two/c.md");
    assert.deepEqual(seen(alice, here(alice)), ["one/a", "two/c"]);
  }));

test("a user's file in place of a directory covers what the base has there, a directory in place of a file that", () =>
  withOverlay((base, alice) => {
    base.makeDirectories("part/three");
    alice.removeDirectory("part/three", HIDES);
    alice.write("part/three", "a file", HIDES);
    alice.makeDirectory("part/four", HIDES);
    alice.write("part/four/own.md", "own", HIDES);
    base.write("part/three/x.md", "x");
    base.write("part/four", "the base's file");
    const seq = here(alice);
    const past = new PastOverlay(base.library.store.database, BOOK, OVERLAY_USER);
    assert.deepEqual(
      [...past.filesIn(rangeBelow("part"), seq)].map(({ path }) => path),
      ["part/four/own.md", "part/one/a.md", "part/one/b.md", "part/three", "part/two/c.md"],
    );
    assert.equal(past.file("part/four", seq), undefined);
  }));
