// One worktree, several mounts: who is told what, and what a handle of another mount sees when its file is replaced.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Change } from "../../lib/node.ts";
import { ALICE, actorNamed, contentOf, withBook } from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

const BOB = actorNamed("bob", { mount: "bob" });

test("C1: what one writes the other reads before any close, as they share the draft", () => {
  withBook((book) => {
    book.write("x", "old");
    const [mine, theirs] = [book.open("x"), book.open("x")];
    assert.equal(mine, theirs);
    mine.write(0, Buffer.from("new"), ALICE);
    assert.equal(contentOf(theirs).toString(), "new");
    mine.commit(ALICE, { durable: false });
    mine.release(ALICE);
    assert.equal(theirs.commit(BOB, { durable: false }), "unchanged");
    theirs.release(BOB);
    assert.deepEqual(
      book.log().map(({ agent_id }) => agent_id),
      ["alice", "alice"],
    );
    assertAtRest(book.library);
  });
});

test("changes are told after the commit, to all but the one who made them", () => {
  withBook((book) => {
    const told: { change: Change; origin: object | undefined; seq: number }[] = [];
    const stop = book.worktree.onChange((change, origin) =>
      told.push({ change, origin, seq: book.library.log.seq }),
    );
    book.write("x", "1");
    const { fileId } = book.node("x");
    assert.ok(told.every(({ origin }) => origin === ALICE.origin));
    const content = told.find(({ change }) => change.type === "content");
    assert.deepEqual(content, { change: { type: "content", fileId }, origin: ALICE.origin, seq: 1 });
    told.length = 0;
    assert.throws(() =>
      book.library.store.transaction(() => {
        book.unlink("x");
        throw new Error("undone");
      }),
    );
    assert.deepEqual(told, [], "nothing happened");
    stop();
    book.write("y", "1");
    assert.deepEqual(told, []);
  });
});

test("a handle on a file that another mount replaced keeps its bytes; its id tells that it is no longer the file", () => {
  withBook((book) => {
    book.write("x", "old");
    const theirs = book.open("x");
    const opened = theirs.fileId;
    book.write("x.tmp", "new");
    book.rename("x.tmp", "x");
    assert.notEqual(theirs.fileId, opened);
    assert.equal(contentOf(theirs).toString(), "old");
    const again = book.worktree.open(opened);
    assert.equal(contentOf(again).toString(), "new");
    again.release(BOB);
    theirs.release(BOB);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("orphans are known to the kernel that removed them until it forgets them, and to no one without a mount", () => {
  withBook((book) => {
    book.write("x", "1");
    const [identity] = book.unlink("x");
    const orphan = book.worktree.get(identity!.to);
    assert.deepEqual([orphan?.nlink, orphan?.parent, orphan?.size], [0, 0, 1]);
    book.worktree.forget(identity!.to);
    assert.equal(book.worktree.get(identity!.to), undefined);
    book.write("x", "1");
    const command = actorNamed("carol");
    const [other] = book.unlink("x", command);
    assert.equal(book.worktree.get(other!.to), undefined);
    book.makeDirectory("d");
    const { fileId } = book.node("d");
    book.removeDirectory("d");
    assert.equal(book.worktree.get(fileId)?.nlink, 0);
    assert.equal(book.worktree.parentOf(fileId), undefined);
    assert.throws(() => book.worktree.create(fileId, "x", 0o644, ALICE), /ENOENT/);
    book.worktree.forget(fileId);
    assert.equal(book.worktree.tree.orphans.size, 0);
  });
});

test("an orphan can be read again through its id while it is open, and its attributes changed", () => {
  withBook((book) => {
    book.write("x", "12345");
    const file = book.open("x");
    const [identity] = book.unlink("x");
    book.worktree.setAttributes(identity!.to, { mode: 0o600, size: 2 }, ALICE);
    assert.equal(file.size, 2);
    assert.equal(book.worktree.get(identity!.to)?.mode, 0o100600);
    file.release(ALICE);
    assert.equal(book.worktree.get(identity!.to)?.size, 2);
    book.settle();
    assertSound(book.library);
    assertAtRest(book.library);
  });
});
