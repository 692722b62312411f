// What a pull does to a book, case by case: what others did is there, and nothing of one's own is lost.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Machine } from "./machine.ts";
import { withMachines } from "./machine.ts";

const LINES = "one\n\ntwo\n\nthree\n\nfour\n\nfive\n";

/** Two machines that both have a file. */
function shared(files: Record<string, string>, use: (a: Machine, b: Machine) => void): Promise<void> {
  return withMachines(["alice", "bob"], (a, b) => {
    for (const [path, text] of Object.entries(files)) a.save(path, text);
    a.push();
    b.pull();
    b.fetchAll();
    use(a, b);
  });
}

test("a file that another machine made is there, with its identity and its maker", () =>
  shared({ "part/a.md": LINES }, (a, b) => {
    assert.equal(b.text("part/a.md"), LINES);
    assert.equal(b.node("part/a.md").fileId, a.node("part/a.md").fileId);
    const [row] = b.log();
    assert.equal(row?.agent_id, "alice");
    assert.equal(row?.operation, "create");
  }));

test("edits of different paragraphs are merged, and the log has all who had a part in it", () =>
  shared({ "a.md": LINES }, (a, b) => {
    a.save("a.md", LINES.replace("one", "ONE"));
    b.save("a.md", LINES.replace("five", "FIVE"));
    a.push();
    b.push();
    a.pull();
    a.fetchAll();
    const merged = LINES.replace("one", "ONE").replace("five", "FIVE");
    assert.equal(b.text("a.md"), merged);
    assert.equal(a.text("a.md"), merged);
    assert.deepEqual(
      b.log().map(({ agent_id, status }) => `${agent_id} ${status}`),
      ["alice ok", "bob ok", "alice ok", "merge:bob ok"],
    );
    assert.deepEqual(
      b.remote.rows.map(({ agent_id, status }) => `${agent_id} ${status}`),
      ["alice ok", "alice ok", "bob refused", "merge:bob ok"],
    );
  }));

test("W2: edits of the same lines become a conflict, and the path stays as others have it", () =>
  shared({ "a.md": LINES }, (a, b) => {
    a.save("a.md", LINES.replace("two", "alice's"));
    b.save("a.md", LINES.replace("two", "bob's"));
    a.push();
    assert.equal(b.pull().conflicts, 1);
    b.fetchAll();
    assert.equal(b.text("a.md"), LINES.replace("two", "alice's"));
    const [id] = [...b.worktree.conflicts.ids(0)];
    const conflict = b.worktree.conflicts.get(id as number);
    assert.equal(conflict?.path, "a.md");
    assert.equal(conflict?.agent, "bob");
    assert.notEqual(conflict?.base, null);
    assert.equal(conflict?.theirs, a.node("a.md").hash);
    b.worktree.resolveConflict(id as number, "mine", b.actor);
    b.push();
    a.pull();
    a.fetchAll();
    assert.equal(a.text("a.md"), LINES.replace("two", "bob's"));
  }));

test("W2: edited here, removed there: the edit is kept as a conflict", () =>
  shared({ "a.md": LINES }, (a, b) => {
    a.unlink("a.md", a.actor);
    a.settle();
    b.save("a.md", "bob's");
    a.push();
    assert.equal(b.pull().conflicts, 1);
    assert.equal(b.find("a.md"), undefined);
    const [id] = [...b.worktree.conflicts.ids(0)];
    assert.equal(b.worktree.conflicts.get(id as number)?.theirs, null);
    b.worktree.resolveConflict(id as number, "mine", b.actor);
    assert.equal(b.text("a.md"), "bob's");
  }));

test("removed here, edited there: the file stays as it is there, and the log says so", () =>
  shared({ "a.md": LINES }, (a, b) => {
    a.save("a.md", "alice's");
    b.unlink("a.md", b.actor);
    b.settle();
    a.push();
    b.push();
    b.fetchAll();
    assert.equal(b.text("a.md"), "alice's");
    assert.match(b.log().at(-1)?.error_message ?? "", /stays: others have changed it/);
    a.pull();
    assert.equal(a.text("a.md"), "alice's");
  }));

test("I1: an edit follows its file to the name that others gave it", () =>
  shared({ "part/a.md": LINES }, (a, b) => {
    a.makeDirectories("other");
    a.rename("part/a.md", "other/b.md", undefined, a.actor);
    b.save("part/a.md", LINES.replace("two", "TWO"));
    a.push();
    b.push();
    assert.equal(b.text("other/b.md"), LINES.replace("two", "TWO"));
    assert.equal(b.find("part"), undefined, "an emptied directory goes");
    assert.equal(b.node("other/b.md").fileId, a.node("other/b.md").fileId);
  }));

test("I1: a file that was moved here takes along what others did to it", () =>
  shared({ "a.md": LINES }, (a, b) => {
    a.save("a.md", LINES.replace("two", "TWO"));
    b.rename("a.md", "b.md", undefined, b.actor);
    a.push();
    b.push();
    b.fetchAll();
    a.pull();
    for (const each of [a, b]) {
      assert.equal(each.find("a.md"), undefined);
      assert.equal(each.text("b.md"), LINES.replace("two", "TWO"));
    }
  }));

test("a file that both moved has the name that came first, and what both did to it", () =>
  shared({ "a.md": LINES }, (a, b) => {
    a.rename("a.md", "b.md", undefined, a.actor);
    a.save("b.md", LINES.replace("one", "ONE"));
    b.rename("a.md", "c.md", undefined, b.actor);
    b.save("c.md", LINES.replace("five", "FIVE"));
    a.push();
    b.push();
    b.fetchAll();
    assert.deepEqual([...b.files().keys()], ["b.md"]);
    assert.equal(b.text("b.md"), LINES.replace("one", "ONE").replace("five", "FIVE"));
  }));

test("a file that both made with the same bytes is one file", () =>
  shared({}, (a, b) => {
    a.save("a.md", LINES);
    b.save("a.md", LINES);
    a.push();
    assert.equal(b.pull().conflicts, 0);
    assert.equal(b.node("a.md").fileId, a.node("a.md").fileId);
  }));

test("W2: of a file that both made with other bytes the second is a conflict", () =>
  shared({}, (a, b) => {
    a.save("a.md", "alice's");
    b.save("a.md", "bob's");
    a.push();
    assert.equal(b.pull().conflicts, 1);
    b.fetchAll();
    assert.equal(b.text("a.md"), "alice's");
    const [id] = [...b.worktree.conflicts.ids(0)];
    assert.equal(b.worktree.conflicts.get(id as number)?.base, null);
  }));

test("a directory is moved there, a file is made in it here: the file stays where it was made", () =>
  shared({ "part/a.md": LINES }, (a, b) => {
    a.rename("part", "other", undefined, a.actor);
    b.save("part/new.md", "bob's");
    a.push();
    b.push();
    a.pull();
    for (const each of [a, b]) assert.deepEqual([...each.files().keys()], ["other/a.md", "part/new.md"]);
  }));

test("two files that changed places here, one of which was edited there", () =>
  shared({ "a.md": "a\n", "b.md": "b\n" }, (a, b) => {
    a.save("a.md", "edited\n");
    b.rename("a.md", "b.md", { noReplace: false, exchange: true }, b.actor);
    a.push();
    b.push();
    b.fetchAll();
    assert.equal(b.text("b.md"), "edited\n");
    assert.equal(b.text("a.md"), "b\n");
  }));

test("two files that changed places there, one of which was edited here", () =>
  shared({ "a.md": "a\n", "b.md": "b\n" }, (a, b) => {
    a.rename("a.md", "b.md", { noReplace: false, exchange: true }, a.actor);
    b.save("a.md", "edited\n");
    a.push();
    b.push();
    assert.equal(b.text("b.md"), "edited\n");
    assert.equal(b.text("a.md"), "b\n");
  }));

test("a mode that was changed there and bytes that were changed here come together", () =>
  shared({ "a.md": LINES }, (a, b) => {
    a.worktree.setAttributes(a.node("a.md").fileId, { mode: 0o755 }, a.actor);
    b.save("a.md", "bob's");
    a.push();
    b.push();
    a.pull();
    a.fetchAll();
    for (const each of [a, b]) {
      assert.equal(each.node("a.md").mode & 0o111, 0o111);
      assert.equal(each.text("a.md"), "bob's");
    }
  }));

test("a file that was made anew there is merged with what was done here, by path", () =>
  shared({ "a.md": LINES }, (a, b) => {
    a.unlink("a.md", a.actor);
    a.settle();
    a.save("a.md", LINES.replace("one", "ONE"));
    b.save("a.md", LINES.replace("five", "FIVE"));
    a.push();
    b.push();
    assert.equal(b.text("a.md"), LINES.replace("one", "ONE").replace("five", "FIVE"));
    assert.equal(b.node("a.md").fileId, a.node("a.md").fileId);
  }));

test("many changes of one path in a page end as the last of them", () =>
  shared({ "a.md": LINES }, (a, b) => {
    for (const text of ["1", "2", "3"]) a.save("a.md", text);
    a.rename("a.md", "b.md", undefined, a.actor);
    a.save("b.md", "4");
    a.save("a.md", "new");
    b.save("a.md", "bob's");
    a.push();
    b.push();
    b.fetchAll();
    assert.equal(b.text("a.md"), "new");
    assert.equal(b.text("b.md"), "4");
    assert.equal(b.library.worktree(b.worktree.book.bookId).conflicts.count, 1);
  }));

test("a name that was taken there in the meantime: the file keeps its own", () =>
  shared({ "a.md": LINES }, (a, b) => {
    a.save("b.md", "alice's");
    b.rename("a.md", "b.md", undefined, b.actor);
    a.push();
    b.push();
    b.fetchAll();
    assert.equal(b.text("a.md"), LINES);
    assert.equal(b.text("b.md"), "alice's");
    assert.match(
      b
        .log()
        .map(({ error_message }) => error_message)
        .join("\n"),
      /keeps its name/,
    );
  }));

test("a file there where a directory is here: what was in it is kept as a conflict", () =>
  shared({}, (a, b) => {
    a.save("thing", "a file");
    b.save("thing/inner.md", "bob's");
    a.push();
    assert.equal(b.pull().conflicts, 1);
    b.fetchAll();
    assert.equal(b.text("thing"), "a file");
  }));

test("a directory there where a file is here", () =>
  shared({}, (a, b) => {
    a.save("thing/inner.md", "alice's");
    b.save("thing", "a file");
    a.push();
    assert.equal(b.pull().conflicts, 1);
    b.fetchAll();
    assert.equal(b.text("thing/inner.md"), "alice's");
  }));

test("a file that came and went here before others made a directory of that name is not pushed", () =>
  shared({ "a.md": LINES }, (a, b) => {
    b.save("thing", "a file");
    b.unlink("thing", b.actor);
    b.settle();
    b.rename("a.md", "other", undefined, b.actor);
    b.rename("other", "b.md", undefined, b.actor);
    a.save("thing/inner.md", "alice's");
    a.save("other/inner.md", "alice's");
    a.push();
    b.push();
    assert.deepEqual([...b.files().keys()], ["b.md", "other/inner.md", "thing/inner.md"]);
  }));

test("R3: a file that both removed is removed", () =>
  shared({ "a.md": LINES, "b.md": "b" }, (a, b) => {
    for (const each of [a, b]) {
      each.unlink("a.md", each.actor);
      each.settle();
    }
    a.push();
    b.push();
    assert.deepEqual([...b.files().keys()], ["b.md"]);
  }));

test("the same page again does nothing", () =>
  shared({ "a.md": LINES }, (a, b) => {
    a.save("a.md", "alice's");
    a.push();
    b.pull();
    const length = b.log().length;
    const { counts } = b.library.followRemote(b.worktree.book.bookId, { rows: b.remote.rows }) as {
      counts: { applied: number };
    };
    assert.equal(counts.applied, 0);
    assert.equal(b.log().length, length);
  }));

test("a file that another was moved over here, and that others have changed, is both of theirs", () =>
  withMachines(["alice", "bob"], (a, b) => {
    a.save("a.md", "a");
    a.save("b.md", "b");
    a.push();
    b.pull();
    // Never fetched: what of it becomes a conflict is on the remote only.
    b.rename("a.md", "b.md", undefined, b.actor);
    a.save("b.md", "changed");
    a.push();
    b.pull();
    assert.deepEqual([...b.files().keys()], ["a.md", "b.md"]);
    assert.equal(b.files().get("b.md"), a.node("b.md").hash);
  }));
