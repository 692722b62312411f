// W2: what a program has written and not closed when another file took the path: kept as a conflict, not lost.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { Conflict } from "../../lib/conflict-table.ts";
import { Errno } from "../../schema/errors.ts";
import { assertSound } from "../lib/soundness.ts";
import { O_RDWR } from "./kernel-client.ts";
import { Program, withProcesses } from "./program.ts";
import { type TestBook, withTestBook } from "./test-book.ts";

function displace(title: string, change: (other: Program) => void, base: string | null): void {
  for (const [size, mine, where] of [
    ["small", "mine\n", ""],
    ["large", "mine\n".repeat(60_000), ""],
    ["small", "mine\n", ", on another mount,"],
    ["large", "mine\n".repeat(60_000), ", on another mount,"],
  ] as const) {
    test(`W2: a ${size} draft whose path ${title}${where} is refused at its close and kept as a conflict`, () => {
      withProcesses(2, (pids) => {
        withTestBook((book) => {
          const kernel = book.mount();
          const [own, others] = pids as [number, number];
          const writer = new Program(book, kernel, own);
          const other = new Program(book, where === "" ? kernel : book.mount(), others);
          writer.save("a.md", "first");
          const file = writer.find("a.md");
          const { fh } = kernel.open(file, O_RDWR);
          kernel.read(file, fh);
          assert.equal(kernel.write(file, fh, mine).errno, 0);
          change(other);
          assert.equal(kernel.flush(file, fh)?.errno, Errno.ESTALE);
          const [conflict, ...more] = conflictsOf(book);
          assert.deepEqual(more, []);
          assert.equal(textOf(book, conflict as Conflict, "mine"), mine);
          assert.equal(textOf(book, conflict as Conflict, "theirs"), "theirs");
          assert.equal(conflict?.base === null ? null : textOf(book, conflict as Conflict, "base"), base);
          const [refusal] = book.worktree.refusals.list().slice(-1);
          assert.match(refusal?.message ?? "", /^a\.md has another file by now .*\(conflict 1\)\.$/);
          assert.notEqual(refusal?.current_hash, null);
          assert.notEqual(kernel.write(file, fh, "more").errno, 0);
          kernel.release(file, fh);
          assert.equal(other.read("a.md"), "theirs");
          assert.equal(conflictsOf(book).length, 1);
          assertSound(book.library);
        });
      });
    });
  }
}

displace(
  "another program renames a file over",
  (other) => {
    other.save("a.md.tmp.1", "theirs");
    assert.equal(other.kernel.rename(other.root, "a.md.tmp.1", other.root, "a.md")?.errno ?? 0, 0);
  },
  "first",
);

displace(
  "another program removes and makes anew",
  (other) => {
    assert.equal(other.kernel.unlink(other.root, "a.md")?.errno ?? 0, 0);
    assert.equal(other.save("a.md", "theirs"), 0);
  },
  "first",
);

displace(
  "an editor saves by way of a backup that it then removes",
  (other) => {
    assert.equal(other.kernel.rename(other.root, "a.md", other.root, "a.md~")?.errno ?? 0, 0);
    assert.equal(other.save("a.md", "theirs"), 0);
    assert.equal(other.kernel.unlink(other.root, "a.md~")?.errno ?? 0, 0);
  },
  null,
);

function conflictsOf(book: TestBook): Conflict[] {
  const { conflicts } = book.worktree;
  return [...conflicts.ids(0)].map((id) => conflicts.get(id) as Conflict);
}

function textOf(book: TestBook, conflict: Conflict, version: "base" | "mine" | "theirs"): string {
  const content = book.worktree.openConflict(conflict, version);
  try {
    const bytes = Buffer.alloc(content.size);
    content.read(0, bytes);
    return bytes.toString();
  } finally {
    content.close();
  }
}
