// What a pull does where rows of the machine itself come back, or those that it has not shared yet do not count any more.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EXCHANGE } from "../lib/book-fixture.ts";
import { withMachines } from "./machine.ts";

test("W2: a file that had been moved comes back where it was shared, though another is above that by now", () =>
  withMachines(["alice", "bob"], (a, b) => {
    b.save("d/b.md", "b");
    // The answer never came.
    b.upload(b.outbox.map((row) => row.new_hash));
    b.remote.append(b.outbox, b.pulledSeq);
    b.makeDirectories("e");
    b.rename("d", "e/a.md", undefined, b.actor);
    b.save("d", "above");
    a.save("e/a.md", "a");
    a.push();
    b.push();
    a.pull();
    for (const each of [a, b]) assert.deepEqual([...each.files().keys()], ["d/b.md", "e/a.md"]);
    assert.deepEqual(
      [...b.worktree.conflicts.ids(0)].map((id) => b.worktree.conflicts.get(id)?.path),
      ["d"],
    );
  }));

test("O1: what was refused there, as others came first, is never taken for what is shared", () =>
  withMachines(["alice", "bob"], (a, b) => {
    a.save("d/a.md", "a");
    a.unlink("d/a.md", a.actor);
    a.settle();
    b.save("d", "bob's");
    b.push();
    a.pull();
    // The first row of a page that was made and taken back, not the second.
    a.appendRows(a.outbox.slice(0, 1));
    a.pull();
    b.rename("d", "e", undefined, b.actor);
    b.push();
    a.push();
    assert.deepEqual([...a.files().keys()], ["e"]);
  }));

test("O1: what came and went here is not in part done again: the page with what others did below it is to go on", () =>
  withMachines(["alice", "bob"], (a, b) => {
    b.save("a.md/b.md", "b");
    b.unlink("a.md/b.md", b.actor);
    b.settle();
    b.push();
    a.save("a.md", "a");
    a.upload(a.outbox.map((row) => row.new_hash));
    a.unlink("a.md", a.actor);
    a.settle();
    a.appendRows(a.outbox);
    const rows = a.remote.rows.slice(0, 3);
    assert.deepEqual(a.library.followRemote(a.worktree.book.bookId, { rows }), {
      type: "incomplete",
      until: 4,
    });
    a.pull();
    assert.deepEqual([...a.files().keys()], []);
  }));

test("a file that was removed here before the answer to its making came stays so, whatever others did to its mode", () =>
  withMachines(["alice", "bob"], (a, b) => {
    a.save("a.md", "a");
    a.upload(a.outbox.map((row) => row.new_hash));
    a.remote.append(a.outbox, a.pulledSeq);
    a.unlink("a.md", a.actor);
    a.settle();
    b.pull();
    b.worktree.setAttributes(b.node("a.md").fileId, { mode: 0o755 }, b.actor);
    b.push();
    a.push();
    b.pull();
    for (const each of [a, b]) assert.deepEqual([...each.files().keys()], []);
  }));

test("O1: directories that changed places here and back are no matter to what others do in one of them", () =>
  withMachines(["alice", "bob"], (a, b) => {
    for (const path of ["e", "d/b.md", "d/e/a.md"]) a.save(path, path);
    a.push();
    b.pull();
    b.fetchAll();
    for (let times = 0; times < 2; times++) b.rename("e", "d", EXCHANGE, b.actor);
    a.save("d/e/a.md", "changed");
    a.push();
    b.push();
    b.fetchAll();
    assert.equal(b.text("d/e/a.md"), "changed");
    assert.deepEqual(b.outbox, []);
  }));
