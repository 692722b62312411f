// The folders of `.pfs/conflicts/` as a kernel is told of them: whose they are, and who may do what with them (W2).

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { importBatch } from "../../lib/import.ts";
import { Errno } from "../../schema/errors.ts";
import type { BlobHash } from "../../schema/ids.ts";
import { ALICE } from "../lib/book-fixture.ts";
import { type Ask, O_RDWR, ROOT } from "./kernel-client.ts";
import { type TestBook, type TestMount, withTestBook } from "./test-book.ts";

/** The save of user 1000 is refused, as somebody imports another version of the file. */
function refuse(book: TestBook, kernel: TestMount, name: string, mode: number): void {
  const made = kernel.create(ROOT, name, { mode: 0o100000 | mode });
  kernel.write(made, made.fh, "base");
  kernel.flush(made, made.fh);
  kernel.release(made, made.fh);
  const { fh } = kernel.open(made, O_RDWR);
  kernel.write(made, fh, "mine");
  const bytes = new Uint8Array(Buffer.from("theirs"));
  const hash = createHash("sha256").update(bytes).digest("hex") as BlobHash;
  const mtime = { seconds: 1, nanoseconds: 0 };
  const file = { path: name, type: "file", hash, sizeBytes: bytes.length, mode: 0o100644, mtime } as const;
  importBatch(book.worktree, [{ ...file, content: { bytes } }], [], ALICE);
  assert.equal(kernel.flush(made, fh)?.errno, Errno.ESTALE);
  kernel.release(made, fh);
}

test("W2: a conflict's folder is its writer's, who may remove it, and as private as the file was", () => {
  withTestBook((book) => {
    const kernel = book.mount();
    refuse(book, kernel, "open.md", 0o644);
    refuse(book, kernel, "private.md", 0o600);
    const conflicts = kernel.lookup(kernel.lookup(ROOT, ".pfs"), "conflicts");
    // As /tmp: with the sticky bit nobody but its owner removes a folder.
    assert.deepEqual([conflicts.mode, conflicts.uid], [0o041777, 0]);
    for (const [id, mode] of [
      ["1", 0o100644],
      ["2", 0o100600],
    ] as const) {
      const folder = kernel.lookup(conflicts, id);
      assert.deepEqual([folder.mode, folder.uid, folder.gid], [0o040755, 1000, 1000]);
      const mine = kernel.lookup(folder, "mine");
      assert.deepEqual([mine.mode, mine.uid, mine.gid, mine.size], [mode, 1000, 1000, 4]);
    }
  });
});

test("W2: nodes of a conflict that somebody else has ended are gone, and nothing of it stays known", () => {
  withTestBook((book) => {
    const [kernel, other] = [book.mount(), book.mount()];
    refuse(book, kernel, "a.md", 0o644);
    const at = (client: TestMount): { conflicts: Ask; folder: Ask; mine: Ask } => {
      const conflicts = client.lookup(client.lookup(ROOT, ".pfs"), "conflicts");
      const folder = client.lookup(conflicts, "1");
      return { conflicts, folder, mine: client.lookup(folder, "mine") };
    };
    const [here, there] = [at(kernel), at(other)];
    const { fh } = other.open(there.mine);
    // Removing waits until other kernels know what this one has changed before.
    book.deliverAll();
    for (const { name } of kernel.list(here.folder).slice(2))
      assert.equal(kernel.unlink(here.folder, name)?.errno, 0);
    assert.equal(kernel.ask("RMDIR", here.conflicts, { text: "1" }).errno, 0);
    assert.equal(other.read(there.mine, fh).body.toString(), "mine", "who has it open goes on");
    assert.equal(other.lookup(there.conflicts, "1").errno, Errno.ENOENT);
    assert.equal(other.lookup(there.folder, "mine").errno, Errno.ENOENT);
    assert.equal(other.open(there.mine).errno, Errno.ENOENT);
    other.release(there.mine, fh);
    for (const node of [there.conflicts, there.folder, there.mine]) other.forget(node, 1);
    assert.equal(other.session.control.knownCount, 0);
    assert.deepEqual(book.faults, []);
  });
});
