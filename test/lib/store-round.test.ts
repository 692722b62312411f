// A round of comparing a store with itself, page by page: nothing in a sound store, each kind of damage by what it is of, and
// the same from whichever page another process goes on.

import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { type Difference, isUnreadable } from "../../lib/desync/difference.ts";
import { ROUND_START, type StorePosition, StoreRound } from "../../lib/desync/store-round.ts";
import { Pace } from "../../lib/pace.ts";
import { parseBlobHash } from "../../schema/ids.ts";
import { damages } from "./damages.ts";
import { alice, BOOK, placeOf, save, type TestStore, tamper, withStore } from "./test-store.ts";
import { fillStore, LARGE } from "./verify-samples.ts";

interface Seen {
  readonly differences: Difference[];
  /** Where each page ended. */
  readonly positions: StorePosition[];
  readonly bytes: number;
}

async function round(store: TestStore, from: StorePosition = ROUND_START): Promise<Seen> {
  const differences: Difference[] = [];
  const positions: StorePosition[] = [];
  let sum = 0;
  for await (const { differences: found, bytes, next } of new StoreRound(store.reader).pages(from)) {
    differences.push(...found);
    sum += bytes;
    if (next !== undefined) positions.push(next);
  }
  return { differences, positions, bytes: sum };
}

/** What a finding of verify by these rules is here; the tree, orphans and the schema are for `pfs verify` alone. */
const HIDDEN_FROM_ROUNDS = new Set(["orphan", "database", "R1"]);
const OF_THE_TREE =
  /^I1: (a file in|a file that|a directory|a name|attributes|extended|a link|a root)|another size$/;

test("a store with history, large files, scratch and a path that waits is the same everywhere; every byte is read once", async () => {
  await withStore("any", async (store) => {
    assert.deepEqual((await round(store)).differences, []);
    fillStore(store);
    const { differences, bytes } = await round(store);
    assert.deepEqual(differences, []);
    const stored = store.reader.database.prepare("SELECT sum(size) FROM blob").pluck().get();
    assert.equal(bytes, stored);
    const { parent, name } = placeOf(store.worktree, "a.md");
    store.worktree.unlink(parent, name, alice);
    assert.deepEqual((await round(store)).differences, []);
  });
});

for (const [what, sql, rules] of damages) {
  if (OF_THE_TREE.test(what) || rules.every((rule) => HIDDEN_FROM_ROUNDS.has(rule))) continue;
  test(`found in the background: ${what}`, async () => {
    await withStore("any", async (store) => {
      fillStore(store);
      tamper(store, sql);
      const { differences } = await round(store);
      assert.ok(differences.length > 0);
      for (const { message } of differences) assert.match(message, /^[A-Z].*\.$/);
      const kinds = new Set(differences.map(({ kind }) => kind));
      if (rules.includes("R7")) assert.ok(kinds.has("log"));
      if (rules.length === 1 && (rules[0] === "R2" || rules[0] === "B1"))
        assert.deepEqual([...kinds], ["bytes"]);
      if (rules.length === 1 && rules[0] === "I1") assert.deepEqual([...kinds], ["journal"]);
    });
  });
}

test("R2 B1: a large file that is cut off, unreadable or gone is of the book that has it; one that went while it was read is not", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    const { sha256 } = store.reader.file(BOOK, "chapter/large.png") ?? assert.fail();
    const path = store.reader.objectPath(parseBlobHash(sha256));
    chmodSync(path, 0o600);
    truncateSync(path, LARGE.byteLength - 1);
    const said = "The bytes of chapter/large.png";
    assert.deepEqual((await round(store)).differences, [
      { book: BOOK, kind: "bytes", message: `${said} do not match their hash.` },
    ]);
    rmSync(path);
    assert.deepEqual((await round(store)).differences, [
      { book: BOOK, kind: "bytes", message: `${said} are missing: the file is gone.` },
    ]);
    tamper(
      store,
      `INSERT INTO remote_blob VALUES ('${sha256}', '${BOOK}'); DELETE FROM blob WHERE data IS NULL`,
    );
    assert.deepEqual((await round(store)).differences, []);
  });
});

test("a round that another process goes on with from any page finds what lies behind it", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    for (let at = 0; at < 300; at++) save(store.worktree, `many/${at}.md`, `of ${at}`);
    tamper(
      store,
      `UPDATE audit_log SET timestamp = '2020-01-01T00:00:00.000Z' WHERE seq = 290;
       UPDATE file_journal SET mode = 33261 WHERE path = 'many/7.md';
       UPDATE blob SET data = CAST('xx' AS BLOB) WHERE data = CAST('of 8' AS BLOB)`,
    );
    const whole = await round(store);
    assert.deepEqual(
      whole.differences.map(({ kind }) => kind),
      ["log", "journal", "bytes"],
    );
    assert.ok(new Set(whole.positions.map(({ step }) => step)).size === 4);
    for (const position of whole.positions.filter((_, at) => at % 20 === 0 || at < 8)) {
      const kept = JSON.parse(JSON.stringify(position)) as StorePosition;
      const { differences } = await round(store, kept);
      // What lies behind it, and nothing else.
      assert.deepEqual(differences, whole.differences.slice(whole.differences.length - differences.length));
    }
  });
});

test("Pace: so many rows and bytes a second, and as long a rest as the work took", async () => {
  const pace = new Pace({ rows: 1000, requests: 10, bytes: 1_000_000 });
  const startMs = performance.now();
  await pace.spend({ rows: 100 });
  await pace.spend({ bytes: 100_000 });
  await pace.spend({ requests: 1 });
  // Timers may be a millisecond early.
  assert.ok(performance.now() - startMs >= 298, `${performance.now() - startMs}`);
  const busy = new Pace({ rows: 1e9, requests: 1e9, bytes: 1e9 });
  const busyMs = performance.now();
  while (performance.now() - busyMs < 50);
  await busy.spend({ rows: 1 });
  assert.ok(performance.now() - busyMs >= 99, `${performance.now() - busyMs}`);
});

test("R2: a database that is no database is unreadable; one that another process holds, or a bug of ours, says nothing of it", () => {
  const directory = mkdtempSync(join(tmpdir(), "pfs-test-"));
  const failureOf = (file: string): unknown => {
    const database = new Sqlite(join(directory, file), { timeout: 0 });
    try {
      return database.prepare("SELECT * FROM sqlite_schema").all();
    } catch (error) {
      return error;
    } finally {
      database.close();
    }
  };
  const owner = new Sqlite(join(directory, "held.db"));
  try {
    writeFileSync(join(directory, "noise.db"), Buffer.alloc(4096, "noise"));
    owner.exec("CREATE TABLE t (x); BEGIN EXCLUSIVE");
    const [noise, held] = [failureOf("noise.db"), failureOf("held.db")] as { code?: string }[];
    assert.deepEqual([noise?.code, held?.code], ["SQLITE_NOTADB", "SQLITE_BUSY"]);
    assert.deepEqual([noise, held, new TypeError("of ours")].map(isUnreadable), [true, false, false]);
  } finally {
    owner.close();
    rmSync(directory, { recursive: true });
  }
});
