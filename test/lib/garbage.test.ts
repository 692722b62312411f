// `pfs gc`: what nothing needs goes, and nothing else does, whatever is saved between looking and removing.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { batchesOf, type Collected, collectGarbage, sumOf } from "../../lib/collect-garbage.ts";
import { findGarbage, type Garbage } from "../../lib/garbage.ts";
import { verifyStore } from "../../lib/verify.ts";
import { type BlobHash, parseUserId } from "../../schema/ids.ts";
import "../property-seed.ts";
import { assertSound } from "./soundness.ts";
import { alice, BOOK, placeOf, remove, save, type TestStore, tamper, withStore } from "./test-store.ts";
import { fillStore, LARGE } from "./verify-samples.ts";

const hashOf = (bytes: string | Uint8Array): BlobHash => hash("sha256", bytes) as BlobHash;

/** A save of `mine` that is refused, as `theirs` came meanwhile. */
function conflict({ worktree }: TestStore, path: string, mine: string | Uint8Array, theirs: string): number {
  const before = [...worktree.conflicts.ids(0)];
  const { parent, name } = placeOf(worktree, path);
  const file = worktree.open((worktree.lookup(parent, name) ?? save(worktree, path, "base")).fileId);
  file.truncate(0, alice);
  file.write(0, Buffer.from(mine), alice);
  const bytes = Buffer.from(theirs);
  worktree.write(
    { path, hash: hashOf(bytes), sizeBytes: bytes.length, content: { bytes: new Uint8Array(bytes) } },
    {},
    alice,
  );
  assert.throws(() => file.release(alice), { code: "CONFLICT" });
  const made = [...worktree.conflicts.ids(0)].find((id) => !before.includes(id));
  assert.ok(made !== undefined);
  return made;
}

function collect(store: TestStore, garbage: Garbage): Collected {
  return sumOf([...batchesOf(garbage)].map((batch) => collectGarbage(store.library, batch)));
}

const NOTHING = { blobs: 0, files: 0, sizeBytes: 0 };

test("gc: versions of the log, overlays, open conflicts and drafts stay; what was given up goes", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    save(store.library.worktree(BOOK, parseUserId("bob")), "a.md", "bob's");
    assert.deepEqual(collect(store, await findGarbage(store.reader)), NOTHING);
    const large = Buffer.alloc(LARGE.length, "refused ");
    const ids = [conflict(store, "a.md", "given up", "t1"), conflict(store, "chapter/b.md", large, "t2")];
    const open = conflict(store, "d.md", "not decided", "t3");
    assert.deepEqual(collect(store, await findGarbage(store.reader)), NOTHING);
    for (const id of ids) store.worktree.removeConflict(id, alice);
    const { parent, name } = placeOf(store.worktree, "a.md");
    const draft = store.worktree.open(store.worktree.lookup(parent, name)!.fileId);
    draft.write(0, Buffer.from("draft"), alice);
    const garbage = await findGarbage(store.reader);
    assert.deepEqual(
      garbage.blobs.map((each) => each.hash).sort(),
      [hashOf("given up"), hashOf(large)].sort(),
    );
    const sizeBytes = "given up".length + large.length;
    assert.deepEqual(collect(store, garbage), { blobs: 2, files: 0, sizeBytes });
    assert.ok(!existsSync(store.library.blobs.objectPath(hashOf(large))));
    draft.release(alice);
    assert.equal(
      store.reader
        .conflicts()
        .map(({ id }) => id)
        .join(),
      String(open),
    );
    assert.deepEqual(await verifyStore(store.reader), []);
    assertSound(store.library);
    assert.deepEqual(collect(store, await findGarbage(store.reader)), NOTHING);
  });
});

test("gc: bytes that are saved again between looking and removing stay, small and large", async () => {
  await withStore("any", async (store) => {
    const large = Buffer.alloc(LARGE.length, "again ");
    for (const [path, bytes] of [
      ["a.md", "again"],
      ["b.md", large],
    ] as const)
      store.worktree.removeConflict(conflict(store, path, bytes, "theirs"), alice);
    const garbage = await findGarbage(store.reader);
    assert.equal(garbage.blobs.length, 2);
    save(store.worktree, "c.md", "again");
    save(store.worktree, "d.md", large);
    assert.deepEqual(collect(store, garbage), NOTHING);
    assert.deepEqual(await verifyStore(store.reader), []);
    // Taken away and saved once more, they come anew.
    for (const path of ["c.md", "d.md"]) remove(store.worktree, path);
    assert.deepEqual(collect(store, garbage), NOTHING);
    assertSound(store.library);
  });
});

test("gc: files in objects/ that are nobody's go; one on its way and what is no blob's name stay", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    const folder = join(store.directory, "objects", "ff");
    mkdirSync(folder, { recursive: true });
    const [stray, coming] = ["f".repeat(64), `ff${"0".repeat(62)}`];
    for (const name of [stray, coming, "readme"]) writeFileSync(join(folder, name), "lost");
    writeFileSync(join(store.directory, "drafts", `${coming}.incoming`), "");
    const garbage = await findGarbage(store.reader);
    assert.equal(garbage.files.length, 2);
    assert.deepEqual(collect(store, garbage), { blobs: 0, files: 1, sizeBytes: 4 });
    assert.deepEqual(readdirSync(folder).sort(), [coming, "readme"].sort());
  });
});

test("gc: of a shared store, what no remote is known to have stays and is counted", async () => {
  await withStore("any", async (store) => {
    const { library, worktree } = store;
    library.shareBook(BOOK, { logUrl: "file:///r", blobsUrl: "file:///r", remoteId: "0".repeat(32) });
    for (const [path, mine] of [
      ["a.md", "here"],
      ["b.md", "there"],
    ] as const)
      worktree.removeConflict(conflict(store, path, mine, "theirs"), alice);
    library.noteShared(BOOK, [], [hashOf("there")], { seq: 0, entryHash: null });
    const garbage = await findGarbage(store.reader);
    assert.equal(garbage.keptForRemote, 1);
    assert.deepEqual(
      garbage.blobs.map((each) => each.hash),
      [hashOf("there")],
    );
    assert.equal(collect(store, garbage).blobs, 1);
    assert.ok(library.blobs.has(hashOf("here")));
  });
});

test("gc: removes nothing where the log is damaged, as lost rows have named bytes", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    tamper(store, "DELETE FROM audit_log WHERE seq = 2");
    await assert.rejects(findGarbage(store.reader), {
      code: "CORRUPT",
      message: /^Nothing was removed, .*Row 2/,
    });
  });
});

test("gc: with random saves, refusals and decisions between looking and removing, the store is sound", async () => {
  const text = fc.constantFrom(
    "x",
    "y",
    "z",
    Buffer.alloc(LARGE.length, "x"),
    Buffer.alloc(LARGE.length, "y"),
  );
  const path = fc.constantFrom("a.md", "b.md", "d/c.md");
  const step = fc.oneof(
    fc.record({ kind: fc.constant("save" as const), path, text }),
    fc.record({ kind: fc.constant("refuse" as const), path, text, decides: fc.boolean() }),
    fc.record({ kind: fc.constant("remove" as const), path }),
    fc.constant({ kind: "look" as const }),
    fc.constant({ kind: "collect" as const }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
      await withStore("any", async (store) => {
        const { worktree } = store;
        let found: Garbage | undefined;
        let theirs = 0;
        for (const each of steps) {
          if (each.kind === "save") save(worktree, each.path, each.text);
          else if (each.kind === "refuse") {
            const id = conflict(store, each.path, each.text, `theirs ${theirs++}`);
            if (each.decides) worktree.removeConflict(id, alice);
          } else if (each.kind === "remove") {
            const { parent, name } = placeOf(worktree, each.path);
            if (worktree.lookup(parent, name) !== undefined) remove(worktree, each.path);
          } else if (each.kind === "look") found = await findGarbage(store.reader);
          else if (found !== undefined) collect(store, found);
        }
        collect(store, await findGarbage(store.reader));
        assertSound(store.library);
        assert.deepEqual(await verifyStore(store.reader), []);
        assert.deepEqual((await findGarbage(store.reader)).blobs, []);
      });
    }),
    { numRuns: 60 },
  );
});
