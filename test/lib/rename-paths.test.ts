// Renaming by path, as `pfs validate --fix` does it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Library } from "../../lib/library.ts";
import { parseTreePath } from "../../schema/paths.ts";
import { alice, BOOK, placeOf, save, withStore } from "./test-store.ts";

const renames = (...pairs: [path: string, to: string][]) =>
  pairs.map(([path, to]) => ({ path: parseTreePath(path), to: parseTreePath(to) }));

test("FR-010, I1: renaming by path keeps a file's identity, logs as any rename does, and replaces nothing", async () => {
  await withStore("any", ({ worktree, library }) => {
    const { fileId } = save(worktree, "a/x.md", "x");
    save(worktree, "b/y.md", "y");
    const seq = library.log.seq;
    const renamed = worktree.renamePaths(
      renames(
        ["a/x.md", "c/d/z.md"],
        ["b/y.md", "c/d/z.md"],
        ["none", "else"],
        ["b", "e"],
        ["b/y.md", "c/d/z.md/y"],
      ),
      alice,
    );
    assert.deepEqual(
      renamed.map(({ outcome, reason }) => [outcome, reason]),
      [
        ["renamed", null],
        ["refused", "There is something at c/d/z.md."],
        ["refused", "There is no none any more."],
        ["refused", "b is a directory."],
        ["refused", "A file is in the way of c/d/z.md/y."],
      ],
    );
    const { parent, name } = placeOf(worktree, "c/d/z.md");
    assert.equal(worktree.lookup(parent, name)?.fileId, fileId);
    assert.equal(library.log.seq, seq + 2);
    assert.deepEqual(
      library.store.database
        .prepare("SELECT operation, path, prev_path, agent_id FROM audit_log WHERE seq > ?")
        .raw()
        .all(seq),
      [
        ["rename", "a/x.md", null, "alice"],
        ["rename", "c/d/z.md", "a/x.md", "alice"],
      ],
    );
    assert.notEqual(worktree.lookup(worktree.rootId, "a"), undefined, "a directory that may be there stays");
  });
});

test("FR-010: a file that somebody is writing is not renamed, and what the schema does not admit is refused", async () => {
  await withStore("any", ({ library, worktree, directory }) => {
    save(worktree, "content/1 Part/1 Chapter/1 lesson.md", "x");
    library.store.database.prepare("UPDATE book SET profile = '\"strict\"'").run();
    library.close();
    const reopened = Library.open(directory);
    try {
      const strict = reopened.worktree(BOOK);
      const path = "content/1 Part/1 Chapter/1 lesson.md";
      const { parent, name } = placeOf(strict, path);
      const file = strict.open(strict.lookup(parent, name)!.fileId);
      file.write(0, Buffer.from("y"), alice);
      const good: [string, string] = [path, "content/01-Part/01-Chapter/01-lesson.md"];
      const [refused] = strict.renamePaths(renames(good), alice);
      assert.match(refused?.reason ?? "", /^Somebody is writing .*, and has not saved it yet\.$/);
      file.commit(alice, { durable: false });
      file.release(alice);
      const [misplaced] = strict.renamePaths(renames([path, "content/nowhere.md"]), alice);
      assert.match(misplaced?.reason ?? "", /^content\/nowhere\.md would have no place in the book: /);
      assert.equal(strict.refusals.list().length, 2);
      assert.deepEqual(
        strict.renamePaths(renames(good), alice).map(({ outcome }) => outcome),
        ["renamed"],
      );
      const content = strict.lookup(strict.rootId, "content")!;
      assert.equal(
        strict.lookup(content.fileId, "1 Part"),
        undefined,
        "an emptied directory that has no place goes",
      );
    } finally {
      reopened.close();
      // withStore closes it again.
      Object.assign(library, { close: () => undefined });
    }
  });
});
