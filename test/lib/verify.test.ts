// What `pfs verify` finds: nothing in a sound store, and each kind of damage by the rule that it breaks.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Finding } from "../../lib/verify.ts";
import { verifyStore } from "../../lib/verify.ts";
import { BASE, parseUserId } from "../../schema/ids.ts";
import "../property-seed.ts";
import { damages } from "./damages.ts";
import {
  alice,
  importDirectory,
  move,
  placeOf,
  save,
  type TestStore,
  tamper,
  withStore,
} from "./test-store.ts";
import { assertReadable, fillStore, LARGE } from "./verify-samples.ts";

function rulesOf(findings: readonly Finding[]): string[] {
  return [...new Set(findings.map((finding) => finding.rule))].sort();
}

test("verify: a store with history, large files and scratch is sound", async () => {
  await withStore("any", async (store) => {
    assert.deepEqual(await verifyStore(store.reader), []);
    fillStore(store);
    assert.deepEqual(await verifyStore(store.reader), []);
    assert.deepEqual(await verifyStore(store.reader, { rehash: false }), []);
  });
});

test("verify: a path that was removed a moment ago and waits to be written again is sound", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    const { parent, name } = placeOf(store.worktree, "a.md");
    store.worktree.unlink(parent, name, alice);
    assert.deepEqual(await verifyStore(store.reader), []);
  });
});

test("verify: what a user removed of the base a moment ago, and waits, is sound", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    const overlay = store.library.worktree(store.worktree.book.bookId, parseUserId("bob"));
    const { parent, name } = placeOf(overlay, "a.md");
    overlay.unlink(parent, name, { ...alice, hidesBase: true });
    assert.ok(overlay.hasVacancies);
    assert.deepEqual(await verifyStore(store.reader), []);
  });
});

test("R6: an operation refused at a path that was removed a moment ago keeps the chain", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    const { parent, name } = placeOf(store.worktree, "a.md");
    const other = store.worktree.lookup(placeOf(store.worktree, "chapter/b.md").parent, "b.md");
    store.worktree.unlink(parent, name, alice);
    assert.throws(() => store.worktree.link(other!.fileId, parent, name, alice), { code: "NOT_PERMITTED" });
    assert.deepEqual(await verifyStore(store.reader), []);
    store.worktree.settle(0);
    assert.deepEqual(await verifyStore(store.reader), []);
  });
});

test("W2: refused bytes are no orphan, decided about or not; lost ones are found", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    const { parent, name } = placeOf(store.worktree, "a.md");
    const file = store.worktree.open(store.worktree.lookup(parent, name)!.fileId);
    file.write(0, Buffer.from("mine"), alice);
    writeFileSync(join(mkdtempSync(join(store.folder, "in-")), name), "theirs");
    for (const folder of readdirSync(store.folder).filter((each) => each.startsWith("in-")))
      await importDirectory(store, join(store.folder, folder));
    assert.throws(() => file.release(alice), { code: "CONFLICT" });
    assert.deepEqual(await verifyStore(store.reader), []);
    tamper(store, "DELETE FROM blob WHERE sha256 IN (SELECT mine FROM conflict)");
    const [finding, ...more] = await verifyStore(store.reader);
    assert.deepEqual([finding?.rule, finding?.subject, more], ["W2", name, []]);
    store.worktree.removeConflict(store.reader.conflicts()[0]!.id, alice);
    assert.deepEqual(await verifyStore(store.reader), []);
  });
});

test("verify: tells how far it is, up to the whole of each step", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    const ends = new Map<string, boolean>();
    await verifyStore(store.reader, { onProgress: (at) => ends.set(at.step, at.done === at.total) });
    assert.deepEqual([...ends.keys()], ["database", "log", "heads", "histories", "journal", "bytes", "tree"]);
    assert.ok([...ends.values()].every((isWhole) => isWhole));
  });
});

for (const [what, sql, rules, subject] of damages) {
  test(`${what}: is found and named`, async () => {
    await withStore("any", async (store) => {
      fillStore(store);
      tamper(store, sql);
      const found = await verifyStore(store.reader);
      assert.deepEqual(rulesOf(found), rules, JSON.stringify(found, null, 1));
      const isNamed = found.some(({ subject: named }) =>
        typeof subject === "string" ? named === subject : subject.test(named),
      );
      assert.ok(isNamed, JSON.stringify(found, null, 1));
      assertReadable(found);
    });
  });
}

test("database: triggers that were dropped are found", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    tamper(store, "SELECT 1", false);
    const found = await verifyStore(store.reader);
    assert.deepEqual(found.map(({ subject }) => subject).sort(), [
      "audit_log_no_delete",
      "audit_log_no_replace",
      "audit_log_no_update",
      "log_horizon_moved",
      "log_horizon_no_delete",
      "log_horizon_recorded",
      "log_segment_follows",
      "log_segment_no_delete",
      "log_segment_no_update",
    ]);
  });
});

/** The one large blob's file. */
function largeFile({ directory }: TestStore): string {
  const objects = join(directory, "objects");
  const folder = readdirSync(objects)[0] as string;
  return join(objects, folder, readdirSync(join(objects, folder))[0] as string);
}

test("B1: a large file whose bytes are gone is found", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    rmSync(largeFile(store));
    const found = await verifyStore(store.reader);
    assert.deepEqual(
      found.map(({ rule, subject }) => [rule, subject]),
      [["B1", "chapter/large.png"]],
    );
  });
});

test("R2: a large file whose bytes were cut short or changed is found, the latter by reading it only", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    writeFileSync(largeFile(store), Buffer.alloc(LARGE.length, "x"));
    const found = await verifyStore(store.reader);
    assert.deepEqual(
      found.map(({ rule, subject }) => [rule, subject]),
      [["R2", "chapter/large.png"]],
    );
    assert.deepEqual(await verifyStore(store.reader, { rehash: false }), []);
    truncateSync(largeFile(store), 9);
    assert.deepEqual(rulesOf(await verifyStore(store.reader, { rehash: false })), ["R2"]);
  });
});

test("orphan: files of nobody in objects/ and scratch/ are found", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    mkdirSync(join(store.directory, "objects", "ff"), { recursive: true });
    const lost = [
      join(store.directory, "objects", "ff", "f".repeat(64)),
      join(store.directory, "objects", "ff", "readme"),
      join(store.directory, "scratch", "4294967299"),
    ];
    for (const path of lost) writeFileSync(path, "lost");
    const found = await verifyStore(store.reader);
    assert.deepEqual(found.map(({ subject }) => subject).sort(), [...lost].sort());
    assert.ok(found.every(({ rule, severity }) => rule === "orphan" && severity === "warning"));
  });
});

test("verify: a store that is damaged all over is told of in bounds", async () => {
  await withStore("any", async (store) => {
    store.library.store.transaction(() => {
      for (let at = 0; at < 300; at++) save(store.worktree, `f${at}.md`, `${at}`);
    });
    tamper(store, "UPDATE blob SET data = x'00'");
    const found = await verifyStore(store.reader);
    assert.equal(found.length, 201);
    assert.match(found.at(-1)?.message ?? "", /100 more/);
  });
});

test("R6, R2, I1: whatever is saved, moved and removed, the store is sound", async () => {
  const names = ["a.md", "b.md", "d/a.md", "d/b.md", "e/a.md"];
  const name = fc.constantFrom(...names);
  const step = fc.oneof(
    fc.record({ kind: fc.constant("save" as const), name, text: fc.string({ maxLength: 3 }) }),
    fc.record({ kind: fc.constant("move" as const), name, to: name }),
    fc.record({
      kind: fc.constant("swap" as const),
      from: fc.constantFrom("d", "e"),
      to: fc.constantFrom("d", "e", "g"),
    }),
    fc.record({ kind: fc.constant("remove" as const), name, settles: fc.boolean() }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 25 }), async (steps) => {
      await withStore("any", async (store) => {
        const { worktree } = store;
        for (const each of steps) {
          try {
            if (each.kind === "save") save(worktree, each.name, each.text);
            else if (each.kind === "move") move(worktree, each.name, each.to);
            else if (each.kind === "swap") move(worktree, each.from, each.to);
            else {
              const { parent, name: last } = placeOf(worktree, each.name);
              worktree.unlink(parent, last, alice);
              if (each.settles) worktree.settle(0);
            }
          } catch (error) {
            // Absent, not empty, a directory into itself: what a program would be told, too.
            assert.ok(
              ["ENOENT", "ENOTEMPTY", "EINVAL", "EEXIST"].includes((error as { code: string }).code),
              String(error),
            );
          }
        }
        assert.deepEqual(await verifyStore(store.reader), []);
        assert.equal(worktree.tree.layer, BASE);
      });
    }),
    { numRuns: 60 },
  );
});
