// What `pfs verify` finds: nothing in a sound store, and each kind of damage by the rule that it breaks.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import type { Finding } from "../../lib/verify.ts";
import { verifyStore } from "../../lib/verify.ts";
import { BASE } from "../../schema/ids.ts";
import "../property-seed.ts";
import { alice, move, placeOf, save, type TestStore, tamper, withStore } from "./test-store.ts";
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

test("verify: tells how far it is, up to the whole of each step", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    const ends = new Map<string, boolean>();
    await verifyStore(store.reader, { onProgress: (at) => ends.set(at.step, at.done === at.total) });
    assert.deepEqual([...ends.keys()], ["database", "log", "histories", "journal", "bytes", "tree"]);
    assert.ok([...ends.values()].every((isWhole) => isWhole));
  });
});

/** Each damage, and the rules by which it must be found. */
const damages: [what: string, sql: string, rules: string[], subject: string | RegExp][] = [
  ["R6: a row that was removed", "DELETE FROM audit_log WHERE seq = 2", ["R6"], "row 2"],
  [
    "R6: the last row removed",
    "DELETE FROM audit_log WHERE seq = (SELECT max(seq) FROM audit_log)",
    ["R6"],
    /\.(md|png)$/,
  ],
  [
    "R6: rows that changed places",
    "UPDATE audit_log SET seq = CASE seq WHEN 1 THEN 2000 ELSE seq END",
    ["I1", "R6"],
    /row/,
  ],
  [
    "R6: a journal that goes back to an old version",
    "UPDATE file_journal SET sha256 = (SELECT new_hash FROM audit_log WHERE seq = 1), size = 5 WHERE path = 'a.md'",
    ["R6"],
    "a.md",
  ],
  [
    "R6: a file that vanished from the journal",
    "DELETE FROM file_journal WHERE path = 'a.md'",
    ["R6"],
    "a.md",
  ],
  [
    "R6: another time in the journal",
    "UPDATE file_journal SET mtime = mtime + 1 WHERE path = 'a.md'",
    ["R6"],
    "a.md",
  ],
  [
    "R6: another mode in the journal",
    "UPDATE file_journal SET mode = 33261 WHERE path = 'a.md'",
    ["R6"],
    "a.md",
  ],
  [
    "I1: another file id in the journal",
    "UPDATE file_journal SET file_id = file_id + 1 WHERE path = 'a.md'",
    ["I1"],
    "a.md",
  ],
  [
    "R2: another size in the journal",
    "UPDATE file_journal SET size = 7 WHERE path = 'a.md'",
    ["R2", "R6"],
    "a.md",
  ],
  ["R7: a row by system", "UPDATE audit_log SET agent_id = 'System' WHERE seq = 3", ["R6", "R7"], "row 3"],
  ["R7: a row by nobody", "UPDATE audit_log SET agent_id = ' ' WHERE seq = 3", ["R6", "R7"], "row 3"],
  [
    "R1: a path out of the book",
    "UPDATE file_journal SET path = '../a.md' WHERE path = 'a.md'",
    ["I1", "R1", "R6"],
    "../a.md",
  ],
  [
    "R1: a path of scratch",
    "UPDATE file_journal SET path = 'a.md~' WHERE path = 'a.md'",
    ["R1", "R6"],
    "a.md~",
  ],
  [
    "R2: bytes that are others",
    "UPDATE blob SET data = CAST('owt' AS BLOB) WHERE data = CAST('two' AS BLOB)",
    ["R2"],
    "a.md",
  ],
  [
    "R2: bytes of an old version that are others",
    "UPDATE blob SET data = CAST('eno' AS BLOB) WHERE size = 5",
    ["R2"],
    "a.md",
  ],
  ["B1: bytes that are gone", "DELETE FROM blob WHERE data = CAST('two' AS BLOB)", ["B1"], "a.md"],
  ["R2: bytes of an old version that are gone", "DELETE FROM blob WHERE size = 5", ["R2"], "a.md"],
  [
    "orphan: bytes of no version",
    `INSERT INTO blob VALUES ('${"5".repeat(64)}', 0, x'')`,
    ["R2", "orphan"],
    "5".repeat(64),
  ],
  [
    "I1: a file in another directory than its path says",
    "UPDATE file_journal SET parent = (SELECT root_id FROM book) WHERE path = 'chapter/b.md'",
    ["I1"],
    "chapter/b.md",
  ],
  [
    "I1: a file that cannot be seen",
    "UPDATE file_journal SET parent = NULL WHERE path = 'a.md'",
    ["I1"],
    "a.md",
  ],
  ["I1: a directory without a name", "DELETE FROM worktree_entry WHERE name = 'chapter'", ["I1"], /chapter/],
  [
    "I1: a directory without attributes",
    "DELETE FROM worktree_node WHERE file_id = (SELECT file_id FROM worktree_entry WHERE name = 'chapter')",
    ["I1"],
    /chapter/,
  ],
  [
    "I1: a directory within itself",
    "UPDATE worktree_entry SET parent = file_id WHERE name = 'chapter'",
    ["I1"],
    /chapter/,
  ],
  [
    "I1: a name that is a file of the book and something else",
    "UPDATE worktree_entry SET name = 'b.md' WHERE name = '.b.md.swp'",
    ["I1"],
    "chapter/b.md",
  ],
  [
    "I1: a name with a slash",
    "UPDATE worktree_entry SET name = '../x~' WHERE name = '.b.md.swp'",
    ["I1"],
    "../x~",
  ],
  ["I1: attributes of nobody", "INSERT INTO worktree_node (file_id, mode) VALUES (77, 33188)", ["I1"], "77"],
  [
    "I1: extended attributes of nobody",
    "INSERT INTO worktree_xattr VALUES (77, 'user.x', x'00')",
    ["I1"],
    "77",
  ],
  [
    "I1: a link count that is wrong",
    "UPDATE worktree_node SET nlink = 9 WHERE file_id IN (SELECT root_id FROM book)",
    ["I1"],
    "",
  ],
  [
    "I1: a root without attributes",
    "DELETE FROM worktree_node WHERE file_id IN (SELECT root_id FROM book)",
    ["I1"],
    "my-book",
  ],
  ["database: a profile that cannot be read", "UPDATE book SET profile = '{'", ["R1", "database"], "my-book"],
  ["database: an index that is gone", "DROP INDEX file_journal_parent", ["database"], "file_journal_parent"],
];

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
