// R3: deleting what is not there succeeds and changes nothing, through the interface that is no mount.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseTreePath } from "../../schema/paths.ts";
import { ALICE, withBook } from "../lib/book-fixture.ts";
import { assertSound } from "../lib/soundness.ts";
import "../property-seed.ts";

const NAMES = ["a.md", "b.md", "folder/c.md", "nowhere/d.md"];

test("R3: any deletions, repeated or of what never was, leave what they would have left once", () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...NAMES), { maxLength: 12 }), (paths) => {
      withBook((book) => {
        book.makeDirectories("folder");
        const present = new Set(["a.md", "b.md", "folder/c.md"]);
        for (const path of present) book.write(path, `bytes of ${path}`);
        for (const path of paths) {
          const seq = book.library.log.seq;
          const outcome = book.worktree.delete(parseTreePath(path), ALICE);
          assert.equal(outcome, present.has(path) ? "deleted" : "absent");
          assert.deepEqual(book.story(seq), present.delete(path) ? [`delete ${path}`] : []);
        }
        for (const path of NAMES)
          assert.equal(book.worktree.tree.journal.get(path) !== undefined, present.has(path));
        assertSound(book.library);
      });
    }),
    { numRuns: 40 },
  );
});

test("R3: a directory is not deleted as a file", () => {
  withBook((book) => {
    book.makeDirectories("folder");
    assert.throws(() => book.worktree.delete(parseTreePath("folder"), ALICE), { code: "EISDIR" });
  });
});
