// W2: what a refused save carried is kept until somebody decides, and how each decision ends in book and log.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Conflict, ConflictChoice } from "../../lib/conflict-table.ts";
import type { ConflictVersion } from "../../lib/worktree/conflict-versions.ts";
import { MAX_OPEN_CONFLICTS } from "../../lib/worktree/conflicts.ts";
import { PfsError } from "../../schema/errors.ts";
import { parseUserId } from "../../schema/ids.ts";
import { importText } from "../fault/scenarios.ts";
import { ALICE, actorNamed, BOOK, type BookFixture, contentOf, withBook } from "./book-fixture.ts";
import { assertAtRest, assertSound } from "./soundness.ts";

const BOB = actorNamed("bob");
const CAROL = actorNamed("carol");

interface Versions {
  readonly base: string | Uint8Array | undefined;
  readonly mine: string | Uint8Array;
  readonly theirs: string | Uint8Array;
}

/** Makes a conflict on a path as an import of `theirs` under an open file does. */
function makeConflict(book: BookFixture, path: string, { base, mine, theirs }: Versions): Conflict {
  const before = [...book.worktree.conflicts.ids(0)];
  if (base !== undefined) book.write(path, base);
  const file = base === undefined ? book.create(path) : book.open(path);
  file.truncate(0, ALICE);
  file.write(0, Buffer.from(mine), ALICE);
  importText(book, path, theirs);
  assertRefused("CONFLICT", () => file.commit(ALICE, { durable: false }));
  file.release(ALICE);
  const [id = 0, ...more] = [...book.worktree.conflicts.ids(0)].filter((each) => !before.includes(each));
  assert.deepEqual(more, []);
  return book.worktree.conflicts.get(id) as Conflict;
}

function assertRefused(code: string, body: () => void): PfsError {
  let thrown: unknown;
  try {
    body();
  } catch (error) {
    thrown = error;
  }
  assert.ok(thrown instanceof PfsError && thrown.code === code, `${thrown}`);
  return thrown;
}

function read(book: BookFixture, conflict: Conflict, version: ConflictVersion): Buffer {
  const content = book.worktree.openConflict(conflict, version);
  try {
    assert.equal(content.size, book.worktree.sizeInConflict(conflict, version));
    const bytes = Buffer.alloc(content.size);
    assert.equal(content.read(0, bytes), bytes.length);
    return bytes;
  } finally {
    content.close();
  }
}

function assertEnded(book: BookFixture): void {
  assert.equal(book.worktree.conflicts.count, 0);
  assertSound(book.library);
  assertAtRest(book.library);
}

const LINES = { base: "1\n2\n3\n", mine: "one\n2\n3\n", theirs: "1\n2\nthree" };

test("W2: a conflict has the version it began with, both sides and their merge, whose it was, and survives a restart", () => {
  withBook((book) => {
    const { id } = makeConflict(book, "x", LINES);
    book.reopen();
    const conflict = book.worktree.conflicts.get(id);
    assert.ok(conflict);
    const names = book.worktree.conflicts.filesOf(conflict);
    assert.deepEqual(names, ["base", "mine", "theirs", "merged", "info.json"]);
    assert.deepEqual(
      (["base", "mine", "theirs", "merged"] as const).map((name) => read(book, conflict, name).toString()),
      [LINES.base, LINES.mine, LINES.theirs, "one\n2\nthree"],
    );
    assert.deepEqual(
      [conflict.path, conflict.agent, conflict.command, conflict.fileId, conflict.operation],
      ["x", "alice", "test", book.node("x").fileId, "update"],
    );
    assert.equal(book.text("x"), LINES.theirs);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("W2: --mine, --merged and --theirs: an ordinary save by whoever resolves, with the file's id", () => {
  const wanted: [ConflictChoice, text: string, story: string[]][] = [
    ["mine", LINES.mine, ["update x"]],
    ["merged", "one\n2\nthree", ["update x"]],
    ["theirs", LINES.theirs, ["refused update x"]],
  ];
  for (const [choice, text, story] of wanted) {
    withBook((book) => {
      const conflict = makeConflict(book, "x", LINES);
      const { fileId } = book.node("x");
      const before = book.library.log.seq;
      const { path, hash } = book.library.resolveConflict(conflict.id, choice, CAROL);
      assert.deepEqual([path, hash], ["x", book.node("x").hash]);
      assert.equal(book.text("x"), text);
      assert.equal(book.node("x").fileId, fileId);
      assert.deepEqual(book.story(before), story);
      assert.equal(book.log(before)[0]?.agent_id, "carol");
      assertRefused("NOT_FOUND", () => book.library.resolveConflict(conflict.id, choice, CAROL));
      assertEnded(book);
    });
  }
});

test("W2: a path that moved on again is not resolved on old grounds; the conflict is of the new version then", () => {
  withBook((book) => {
    const { id } = makeConflict(book, "x", LINES);
    importText(book, "x", "1\n2\n3\nfour\n");
    const before = book.library.log.seq;
    const { message } = assertRefused("CONFLICT", () => book.library.resolveConflict(id, "theirs", CAROL));
    assert.equal(message, "x was changed again after conflict 1 was found.");
    assert.deepEqual(book.story(before), ["refused update x"]);
    const conflict = book.worktree.conflicts.get(id) as Conflict;
    assert.equal(read(book, conflict, "theirs").toString(), "1\n2\n3\nfour\n");
    assert.equal(read(book, conflict, "merged").toString(), "one\n2\n3\nfour\n");
    book.library.resolveConflict(id, "merged", CAROL);
    assert.equal(book.text("x"), "one\n2\n3\nfour\n");
    assertEnded(book);
  });
});

test("W2: removing the folder gives up what was refused, with a row that says who; not if the book has the bytes by then", () => {
  withBook((book) => {
    const first = makeConflict(book, "x", LINES);
    const before = book.library.log.seq;
    book.worktree.removeConflict(first.id, CAROL);
    const [row] = book.log(before);
    assert.deepEqual(
      [row?.status, row?.agent_id, row?.operation, row?.path],
      ["refused", "carol", "update", "x"],
    );
    assert.equal(row?.error_message, "CONFLICT: What was refused as conflict 1 was given up.");
    const second = makeConflict(book, "y", LINES);
    book.write("y", LINES.mine, CAROL);
    const after = book.library.log.seq;
    book.worktree.removeConflict(second.id, CAROL);
    assert.deepEqual(book.story(after), []);
    assertRefused("NOT_FOUND", () => book.worktree.removeConflict(second.id, CAROL));
    assertEnded(book);
  });
});

test("W2: files that are taken from view are back after a restart, as long as the folder was not removed", () => {
  withBook((book) => {
    const conflict = makeConflict(book, "x", LINES);
    const { conflicts } = book.worktree;
    conflicts.hide(conflict, "mine");
    conflicts.hide(conflict, "info.json");
    assert.deepEqual(conflicts.filesOf(conflict), ["base", "theirs", "merged"]);
    book.reopen();
    assert.equal(book.worktree.conflicts.filesOf(conflict).length, 5);
    assert.equal(read(book, conflict, "mine").toString(), LINES.mine);
  });
});

test("W2: large files: no byte is copied or merged, all are kept; resolving takes them over", () => {
  const [base, mine, theirs] = ["a\n", "b\n", "c\n"].map((line) => Buffer.alloc(300_000, line));
  assert.ok(base && mine && theirs);
  withBook((book) => {
    const conflict = makeConflict(book, "x", { base, mine, theirs: "small" });
    assert.equal(conflict.merged, null);
    assert.deepEqual(read(book, conflict, "base"), base);
    assert.deepEqual(read(book, conflict, "mine"), mine);
    assertSound(book.library);
    assertAtRest(book.library);
    book.reopen();
    book.library.resolveConflict(conflict.id, "mine", CAROL);
    assert.deepEqual(book.bytes("x"), mine);
    assertEnded(book);
  });
});

test("W2: two who create one path: no base, no merge; each side can be taken", () => {
  for (const choice of ["mine", "theirs"] as const) {
    withBook((book) => {
      const sides = { base: undefined, mine: "mine\n", theirs: "theirs\n" };
      const conflict = makeConflict(book, "x", sides);
      assert.deepEqual(book.worktree.conflicts.filesOf(conflict), ["mine", "theirs", "info.json"]);
      assert.equal(conflict.operation, "create");
      const { message } = assertRefused("NOT_PERMITTED", () =>
        book.library.resolveConflict(conflict.id, "merged", CAROL),
      );
      assert.match(message, /do not merge/);
      book.library.resolveConflict(conflict.id, choice, CAROL);
      assert.equal(book.text("x"), sides[choice]);
      assertEnded(book);
    });
  }
});

test("W2: a file that was deleted meanwhile: its side is that there is none", () => {
  for (const choice of ["mine", "theirs"] as const) {
    withBook((book) => {
      book.makeDirectories("d");
      const conflict = makeConflict(book, "d/x", LINES);
      book.unlink("d/x");
      book.settle();
      book.removeDirectory("d");
      assertRefused("CONFLICT", () => book.library.resolveConflict(conflict.id, choice, CAROL));
      const again = book.worktree.conflicts.get(conflict.id) as Conflict;
      assert.deepEqual(book.worktree.conflicts.filesOf(again), ["base", "mine", "info.json"]);
      const { hash } = book.library.resolveConflict(conflict.id, choice, CAROL);
      assert.equal(hash, choice === "mine" ? conflict.mine : null);
      if (choice === "mine") assert.equal(book.text("d/x"), LINES.mine);
      else assert.equal(book.find("d"), undefined);
      assertEnded(book);
    });
  }
});

test("W2: resolving under somebody's unsaved draft leaves the draft alone, whose save is a conflict of its own", () => {
  withBook((book) => {
    const { id } = makeConflict(book, "x", LINES);
    const other = makeConflict(book, "y", LINES);
    const reader = book.open("x");
    book.library.resolveConflict(id, "mine", CAROL);
    assert.equal(reader.size, LINES.mine.length, "who has it open and wrote nothing sees the new version");
    reader.release(BOB);
    const draft = book.open("y");
    draft.write(0, Buffer.from("draft"), BOB);
    book.library.resolveConflict(other.id, "mine", CAROL);
    assertRefused("CONFLICT", () => draft.commit(BOB, { durable: false }));
    draft.release(BOB);
    assert.equal(book.worktree.conflicts.count, 1);
    assert.equal(book.text("y"), LINES.mine);
    assertSound(book.library);
    assertAtRest(book.library);
  });
});

test("W1: who saves the very bytes that somebody else has saved meanwhile is not refused", () => {
  withBook((book) => {
    book.write("x", "base");
    const file = book.open("x");
    file.truncate(0, ALICE);
    file.write(0, Buffer.from("same\n"), ALICE);
    importText(book, "x", "same\n");
    const before = book.library.log.seq;
    file.commit(ALICE, { durable: true });
    file.write(5, Buffer.from("more\n"), ALICE);
    file.commit(ALICE, { durable: false });
    file.release(ALICE);
    assert.deepEqual(book.story(before), ["attributes x", "update x"]);
    assert.equal(book.text("x"), "same\nmore\n");
    assertEnded(book);
  });
});

test("W2, R5: a change of the base under a draft in an overlay is a conflict of the overlay; resolving leaves the base", () => {
  for (const choice of ["mine", "merged", "theirs"] as const) {
    withBook((book) => {
      book.write("x", LINES.base);
      const overlay = book.library.worktree(BOOK, parseUserId("ulla"));
      const { fileId } = book.node("x");
      const draft = overlay.open(fileId);
      draft.truncate(0, ALICE);
      draft.write(0, Buffer.from(LINES.mine), ALICE);
      importText(book, "x", LINES.theirs);
      assertRefused("CONFLICT", () => draft.commit(ALICE, { durable: false }));
      draft.release(ALICE);
      const [id = 0] = overlay.conflicts.ids(0);
      assert.deepEqual([overlay.conflicts.count, book.worktree.conflicts.count], [1, 0]);
      assert.equal(overlay.conflicts.get(id)?.userId, "ulla");
      book.library.resolveConflict(id, choice, CAROL);
      const shown = overlay.open(fileId);
      const wanted = { mine: LINES.mine, merged: "one\n2\nthree", theirs: LINES.theirs }[choice];
      assert.equal(contentOf(shown).toString(), wanted);
      shown.release(ALICE);
      assert.equal(book.text("x"), LINES.theirs);
      assert.equal(overlay.conflicts.count, 0);
      assertEnded(book);
    });
  }
});

test("W2: a conflict ends in the book and layer that it is of, and its number is never given again", () => {
  withBook((book) => {
    const first = makeConflict(book, "x", LINES);
    book.worktree.removeConflict(first.id, CAROL);
    book.reopen();
    const second = makeConflict(book, "x", LINES);
    assert.equal(second.id, first.id + 1);
    assertRefused("NOT_FOUND", () => book.library.resolveConflict(first.id, "mine", CAROL));
    assertRefused("NOT_FOUND", () => book.library.resolveConflict(99, "mine", CAROL));
  });
});

test("TOO_MANY: while ten thousand conflicts wait, nothing begins that could end as one more; what had begun, and deciding, go on", () => {
  withBook((book) => {
    const begun = book.create("begun.md");
    const conflict = makeConflict(book, "a.md", { base: "one", mine: "two", theirs: "three" });
    book.library.store.transaction(() => {
      book.worktree.tree.conflicts.change((table) => {
        for (let count = 1; count < MAX_OPEN_CONFLICTS; count++) table.insert(conflict, undefined);
      });
    });
    const refusal = assertRefused("TOO_MANY", () => book.write("a.md", "more"));
    assert.match(refusal.message, /^10000 conflicts wait for somebody to decide/);
    assertRefused("TOO_MANY", () => book.create("b.md"));
    begun.write(0, Buffer.from("begun"), ALICE);
    begun.commit(ALICE, { durable: false });
    begun.release(ALICE);
    book.worktree.resolveConflict(conflict.id, "theirs", BOB);
    book.write("a.md", "more");
  });
});
