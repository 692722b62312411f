// What a pull does where one of two versions is a symbolic link: a link is never taken for a file, nor a file for a link.

import assert from "node:assert/strict";
import { test } from "node:test";
import { JournalMode } from "../../lib/worktree/node-rows.ts";
import { type Machine, withMachines } from "./machine.ts";

function shared(use: (a: Machine, b: Machine) => void): Promise<void> {
  return withMachines(["alice", "bob"], (a, b) => {
    a.save("a.md", "a file");
    a.push();
    b.pull();
    b.fetchAll();
    use(a, b);
  });
}

function modeOf({ worktree }: Machine, path: string): number | undefined {
  return worktree.tree.journal.get(path)?.mode;
}

test("W2: a link that others put in a file's place is one, although the file was made executable here", () =>
  shared((a, b) => {
    b.worktree.setAttributes(b.node("a.md").fileId, { mode: 0o755 }, b.actor);
    a.unlink("a.md", a.actor);
    a.symlink("b.md", "a.md", a.actor);
    a.settle();
    a.push();
    b.push();
    a.pull();
    for (const machine of [a, b]) assert.equal(modeOf(machine, "a.md"), JournalMode.symlink);
  }));

test("W2: a link that gave way is a link again when it is what is kept", () =>
  shared((a, b) => {
    a.save("new", "a file");
    b.symlink("b.md", "new", b.actor);
    a.push();
    b.pull();
    b.fetchAll();
    const [id] = [...b.worktree.conflicts.ids(0)];
    b.worktree.resolveConflict(id as number, "mine", b.actor);
    assert.equal(modeOf(b, "new"), JournalMode.symlink);
  }));
