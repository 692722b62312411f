// Reading the log: by path, across renames, by agent, time and position.

import assert from "node:assert/strict";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import fc from "fast-check";
import { oldestFirst, readLog } from "../../lib/history.ts";
import { isQuick, type LogSearch, searchLog, searchPiece } from "../../lib/log-search.ts";
import { roughGlob } from "../../lib/path-glob-function.ts";
import { BASE, parseAgentName, parseUserId } from "../../schema/ids.ts";
import type { LogRow } from "../../schema/log-row.ts";
import { PathGlob } from "../../schema/path-glob.ts";
import "../property-seed.ts";
import { alice, BOOK, move, remove, save, tamper, withStore } from "./test-store.ts";

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

test("FR-024: rows by a pattern of paths, and the oldest first", async () => {
  await withStore("any", ({ worktree, reader }) => {
    for (const path of ["d/a.md", "d/e/b.md", "d/e/c.txt", "top.md"]) save(worktree, path, path);
    const log = (glob: string) => brief(readLog(reader, { bookId: BOOK, glob }));
    assert.deepEqual(log("d/*.md"), ["create d/a.md"]);
    assert.deepEqual(log("d/**"), ["create d/e/c.txt", "create d/e/b.md", "create d/a.md"]);
    assert.deepEqual(log("**/*.md"), ["create top.md", "create d/e/b.md", "create d/a.md"]);
    assert.deepEqual(log("nothing/**"), []);
    assert.throws(() => log("["), { code: "USAGE" });
    const oldest = brief(oldestFirst(reader, readLog(reader, { bookId: BOOK, glob: "d/**", limit: 2 })));
    assert.deepEqual(oldest, ["create d/e/b.md", "create d/e/c.txt"]);
  });
});

test("searches forward through the log find what a reading of all rows finds, in bounded pieces, from any position on", async () => {
  await withStore("any", async ({ worktree, reader }) => {
    for (let index = 0; index < 60; index++) {
      const path = index % 3 === 0 ? `d/${index}.md` : `e/f/${index % 7}.txt`;
      save(worktree, path, `${index}`, index % 4 === 0 ? bob : alice);
    }
    const { seq: untilSeq } = reader.head();
    const all = [...readLog(reader, {})].reverse();
    const queries: [LogSearch["query"], (row: LogRow) => boolean][] = [
      [{}, () => true],
      [{ agent: "bob" }, (row) => row.agent_id === "bob"],
      [
        { operation: "update", agent: "alice" },
        (row) => row.operation === "update" && row.agent_id === "alice",
      ],
      [{ path: "e/f/1.txt" }, (row) => row.path === "e/f/1.txt"],
      [{ path: "e/f/1.txt", agent: "bob" }, (row) => row.path === "e/f/1.txt" && row.agent_id === "bob"],
      [{ glob: "d/*.md" }, (row) => row.path.startsWith("d/")],
      [{ glob: "**/1*" }, (row) => /\/1[^/]*$/.test(row.path)],
      [{ userId: parseUserId("ulla") }, () => false],
      [{ layers: [parseUserId("ulla"), BASE] }, () => true],
      [{ layers: [parseUserId("ulla")] }, () => false],
      [{ layers: [BASE], path: "e/f/1.txt" }, (row) => row.path === "e/f/1.txt"],
      [{ layers: [parseUserId("ulla")], glob: "d/*.md" }, () => false],
      [{ status: "refused" }, () => false],
    ];
    for (const [query, fits] of queries) {
      for (const afterSeq of [0, 13, untilSeq]) {
        const search = { query: { ...query, bookId: BOOK }, afterSeq, untilSeq };
        const wanted = all.filter((row) => fits(row) && row.seq > afterSeq).map(({ seq }) => seq);
        const found = { seqs: wanted, upTo: untilSeq };
        assert.deepEqual(searchPiece(reader.database, search), found, JSON.stringify(search));
        assert.deepEqual(await searchLog(reader.database, search, 1), found);
      }
    }
  });
});

test("patterns of paths: what SQLite is asked first leaves out nothing that fits", () => {
  const database = new Sqlite(":memory:");
  try {
    const select = database.prepare<unknown[], number>("SELECT ? GLOB ?").pluck();
    const word = (chars: string, maxLength: number) =>
      fc.string({ unit: fc.constantFrom(...chars), minLength: 1, maxLength });
    let fitted = 0;
    fc.assert(
      fc.property(
        word("ab/*?[]!-\\\\é", 8),
        fc.array(word("ab/*?[]-é", 6), { minLength: 20 }),
        (pattern, paths) => {
          let glob: PathGlob;
          try {
            glob = new PathGlob(pattern);
          } catch {
            return;
          }
          const rough = roughGlob(pattern);
          for (const path of [...paths, pattern]) {
            if (!glob.matches(path) || rough === undefined) continue;
            fitted++;
            assert.equal(select.get(path, rough), 1, `${path} fits ${pattern}, not ${rough}`);
          }
        },
      ),
      { numRuns: 3000 },
    );
    assert.ok(fitted > 500, `${fitted}`);
  } finally {
    database.close();
  }
});

test("a pattern that few paths fit is looked for by paths in a long log, one that many fit by rows", async () => {
  await withStore("any", async ({ worktree, reader, ...store }) => {
    save(worktree, "a/0.md", "first");
    const [row] = readLog(reader, {});
    const { seq: _seq, entry_hash: _hash, ...columns } = row as LogRow;
    const names = Object.keys(columns).filter((name) => name !== "path" && name !== "user_id");
    // Rows in plain SQL, which are many in no time; nobody checks their hashes here.
    tamper(
      { ...store, worktree, reader },
      `INSERT INTO audit_log (seq, entry_hash, path, user_id, ${names.join(", ")})
       WITH RECURSIVE number (n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < 50000)
       SELECT n, 'x', CASE WHEN n % 10 = 0 THEN 'many/' || n || '.md' WHEN n % 5000 = 4999 THEN 'few/x.md'
         WHEN n > 5000 AND n % 10 < 7 THEN 'one/x.md' ELSE 'a/' || (n % 7) || '.md' END,
       CASE WHEN n < 25000 THEN 'zoe' ELSE '__base__' END,
       ${names.join(", ")} FROM number JOIN audit_log ON seq = 1`,
    );
    const { seq: untilSeq } = reader.head();
    const all = [...readLog(reader, {})].reverse();
    for (const glob of ["a/3.*", "**/4990.md", "many/**", "**", "a/*", "few/*", "one/*", "none/**"]) {
      const wanted = all.filter(({ path }) => new PathGlob(glob).matches(path)).map(({ seq }) => seq);
      for (const soon of [false, true]) {
        const found: number[] = [];
        for (let afterSeq = 0; afterSeq < untilSeq; ) {
          const { seqs, upTo } = await searchLog(
            reader.database,
            { query: { bookId: BOOK, glob }, afterSeq, untilSeq, soon },
            100,
          );
          assert.ok(
            upTo > afterSeq && seqs.length <= (soon ? 200 : 20_000) + (upTo === untilSeq ? 20_000 : 0),
          );
          found.push(...seqs);
          afterSeq = upTo;
        }
        assert.deepEqual(found, wanted, glob);
      }
    }
    const first = (glob: string) =>
      searchLog(reader.database, { query: { bookId: BOOK, glob }, afterSeq: 0, untilSeq, soon: true }, 100);
    assert.equal(
      (await first("many/**")).upTo,
      2000,
      "two hundred rows fit until there, the others can wait",
    );
    assert.equal((await first("**/4990.md")).upTo, 22_000, "something fits in the first piece");
    assert.deepEqual(await first("none/**"), { seqs: [], upTo: untilSeq });
    assert.equal(
      (await first("few/**")).upTo,
      untilSeq,
      "few paths begin so: no rows are looked through for them",
    );
    const isShort = (path: string) =>
      isQuick(reader.database, { query: { bookId: BOOK, path }, afterSeq: 0, untilSeq });
    assert.deepEqual(["many/10.md", "none", "a/3.md"].map(isShort), [true, true, false]);
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

test("history: a file that came to a path and left it again is not the history of the next file there", async () => {
  await withStore("any", ({ worktree, reader }) => {
    save(worktree, "other.md", "other");
    move(worktree, "other.md", "a.md");
    move(worktree, "a.md", "gone.md");
    save(worktree, "a.md", "mine");
    const query = { bookId: BOOK, path: "a.md", followRenames: true };
    assert.deepEqual(brief(readLog(reader, query)), ["create a.md", "rename a.md", "rename a.md"]);
    const gone = brief(readLog(reader, { ...query, path: "gone.md" }));
    assert.deepEqual(gone, [
      "rename gone.md",
      "rename a.md",
      "rename a.md",
      "rename other.md",
      "create other.md",
    ]);
  });
});

test("history: what a user renamed over a path in an overlay does not lead away from the base's file", async () => {
  await withStore("any", ({ worktree, library, reader }) => {
    save(worktree, "a.md", "1");
    save(worktree, "x.md", "x");
    save(worktree, "a.md", "2");
    const overlay = library.worktree(BOOK, parseUserId("alice"));
    save(overlay, "own.md", "of alice");
    move(overlay, "own.md", "a.md");
    const all = brief(readLog(reader, { bookId: BOOK, path: "a.md", followRenames: true }));
    assert.deepEqual(all.slice(-2), ["update a.md", "create a.md"]);
    assert.ok(all.length > 2);
  });
});
