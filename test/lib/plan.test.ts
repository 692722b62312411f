// Plans: what is in one, and what it says of a manifest that nobody knows.

import assert from "node:assert/strict";
import { hash as sha256 } from "node:crypto";
import { test } from "node:test";
import { makePlan, type PlanTarget, planPages } from "../../lib/plan.ts";
import type { BlobHash } from "../../schema/ids.ts";
import { ALICE, BOOK, type BookFixture, withBook } from "./book-fixture.ts";

function planOf(book: BookFixture, target: PlanTarget): object {
  const { database } = book.library.store;
  const { hash: manifestHash, seq } = book.library.manifest(BOOK).tell();
  const { plan, query } = makePlan(database, BOOK, target, { manifestHash, seq });
  return { ...plan, files: [...planPages(database, query)].flat() };
}

const hashOf = (text: string): string => sha256("sha256", text, "hex");

test("FR-025: a plan has each file that was added, modified or deleted since a manifest hash, with both hashes", () => {
  withBook((book) => {
    for (const path of ["kept.md", "changed.md", "gone.md", "back.md"]) book.write(path, "old");
    const target = book.library.manifest(BOOK).tell().hash;
    assert.deepEqual(planOf(book, target), { status: "unchanged", manifest_hash: target, files: [] });
    book.write("changed.md", "new");
    book.write("back.md", "other");
    book.write("back.md", "old");
    book.rename("gone.md", "new.md");
    book.worktree.setAttributes(book.node("kept.md").fileId, { mode: 0o755 }, ALICE);
    book.reopen();
    const { hash } = book.library.manifest(BOOK).get();
    const [old, now] = [hashOf("old"), hashOf("new")];
    assert.deepEqual(planOf(book, target), {
      status: "changed",
      manifest_hash: hash,
      files: [
        { path: "changed.md", change: "modified", current_hash: now, target_hash: old },
        { path: "gone.md", change: "deleted", current_hash: null, target_hash: old },
        { path: "new.md", change: "added", current_hash: old, target_hash: null },
      ],
    });
  });
});

test("FR-025: against nothing, and against a manifest that is not known, every file is added; the latter is said", () => {
  withBook((book) => {
    book.write("a.md", "1");
    book.write("b.md", "2");
    const files = [
      { path: "a.md", change: "added", current_hash: hashOf("1"), target_hash: null },
      { path: "b.md", change: "added", current_hash: hashOf("2"), target_hash: null },
    ];
    const manifest_hash = book.library.manifest(BOOK).get().hash;
    assert.deepEqual(planOf(book, "all"), { status: "changed", manifest_hash, files });
    const unknown = "ab".repeat(32) as BlobHash;
    const warning = `The manifest ${unknown} of test-book is not known here: every file is listed, and what was deleted since is not.`;
    assert.deepEqual(planOf(book, unknown), { status: "changed", manifest_hash, warning, files });
  });
});

test("a plan is of the base: what users change in their overlays is not in it", () => {
  withBook((book) => {
    book.write("a.md", "1");
    const target = book.library.manifest(BOOK).tell().hash;
    const overlay = book.library.worktree(BOOK, "ulla" as Parameters<typeof book.library.worktree>[1]);
    const file = overlay.open(book.node("a.md").fileId);
    file.write(0, Buffer.from("2"), ALICE);
    file.commit(ALICE, { durable: false });
    file.release(ALICE);
    assert.deepEqual(planOf(book, target), { status: "unchanged", manifest_hash: target, files: [] });
  });
});
