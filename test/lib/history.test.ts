// Reading the log: by path, across renames, by agent, time and position.

import assert from "node:assert/strict";
import { test } from "node:test";
import { readLog } from "../../lib/history.ts";
import { parseAgentName } from "../../schema/ids.ts";
import type { LogRow } from "../../schema/log-row.ts";
import { alice, BOOK, move, remove, save, withStore } from "./test-store.ts";

const bob = { ...alice, agent: parseAgentName("bob") };

function brief(rows: Iterable<LogRow>): string[] {
  return [...rows].map((row) => `${row.operation} ${row.path}`);
}

test("FR-024: rows by path, directory, agent, operation, position, time and number, newest first", async () => {
  await withStore("any", ({ worktree, reader }) => {
    save(worktree, "d/a.md", "1");
    save(worktree, "d/a.md", "2", bob);
    save(worktree, "dd.md", "3");
    const log = (query: object) => brief(readLog(reader, { bookId: BOOK, ...query }));
    assert.deepEqual(log({}), ["create dd.md", "update d/a.md", "create d/a.md"]);
    assert.deepEqual(log({ path: "d/a.md" }), ["update d/a.md", "create d/a.md"]);
    assert.deepEqual(log({ below: "d" }), ["update d/a.md", "create d/a.md"]);
    assert.deepEqual(log({ agent: "bob" }), ["update d/a.md"]);
    assert.deepEqual(log({ operation: "create" }), ["create dd.md", "create d/a.md"]);
    assert.deepEqual(log({ limit: 1 }), ["create dd.md"]);
    assert.deepEqual(log({ afterSeq: 1, beforeSeq: 3 }), ["update d/a.md"]);
    assert.deepEqual(log({ status: "refused" }), []);
    const { timestamp } = [...readLog(reader, { afterSeq: 1, beforeSeq: 3 })][0]!;
    assert.ok(log({ since: timestamp }).includes("update d/a.md"));
    assert.ok(!log({ until: timestamp }).includes("update d/a.md"));
  });
});

test("history: a file is followed across renames of itself and of its directory", async () => {
  await withStore("any", ({ worktree, reader }) => {
    save(worktree, "old/a.md", "1");
    save(worktree, "old/a.md", "2", bob);
    move(worktree, "old", "new");
    save(worktree, "new/a.md", "3");
    move(worktree, "new/a.md", "new/b.md");
    const query = { bookId: BOOK, path: "new/b.md" };
    assert.deepEqual(brief(readLog(reader, query)), ["rename new/b.md"]);
    const whole = [
      "rename new/b.md",
      "rename new/a.md",
      "update new/a.md",
      "rename new/a.md",
      "rename old/a.md",
      "update old/a.md",
      "create old/a.md",
    ];
    assert.deepEqual(brief(readLog(reader, { ...query, followRenames: true })), whole);
    assert.deepEqual(brief(readLog(reader, { ...query, followRenames: true, limit: 3 })), whole.slice(0, 3));
    assert.deepEqual(brief(readLog(reader, { ...query, followRenames: true, agent: "bob" })), [
      "update old/a.md",
    ]);
  });
});

test("history: renumbered lessons each keep their own history", async () => {
  await withStore("any", ({ worktree, reader }) => {
    save(worktree, "01.md", "first");
    save(worktree, "02.md", "second");
    move(worktree, "02.md", "03.md");
    move(worktree, "01.md", "02.md");
    save(worktree, "01.md", "new");
    const follow = (path: string) => brief(readLog(reader, { bookId: BOOK, path, followRenames: true }));
    assert.deepEqual(follow("02.md"), ["rename 02.md", "rename 01.md", "create 01.md"]);
    assert.deepEqual(follow("03.md"), ["rename 03.md", "rename 02.md", "create 02.md"]);
  });
});

test("history: a path that was removed and written again shows both lives", async () => {
  await withStore("any", ({ worktree, reader }) => {
    save(worktree, "a.md", "1");
    remove(worktree, "a.md");
    save(worktree, "a.md", "2");
    assert.deepEqual(brief(readLog(reader, { bookId: BOOK, path: "a.md", followRenames: true })), [
      "create a.md",
      "delete a.md",
      "create a.md",
    ]);
  });
});

test("history: more rows than one page come in order and whole", async () => {
  await withStore("any", ({ worktree, reader, library }) => {
    library.store.transaction(() => {
      for (let at = 0; at < 1203; at++) save(worktree, "a.md", `${at}`);
    });
    const seqs = [...readLog(reader, { bookId: BOOK, path: "a.md" })].map((row) => row.seq);
    assert.deepEqual(
      seqs,
      Array.from({ length: 1203 }, (_, at) => 1203 - at),
    );
  });
});
