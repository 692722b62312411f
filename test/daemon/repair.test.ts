// `pfs repair` as a command: what it says, how it ends, and that a daemon and its book work afterwards.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { LESSON, SAMPLE, withPlace } from "./harness.ts";

function tamper(store: string, sql: string): void {
  const database = new Sqlite(join(store, "pfs.db"));
  database.exec(sql);
  database.close();
}

test("repair: refused beside a daemon; mends a journal, and names bytes that only a backup has", () =>
  withPlace(async ({ pfs, run, store, dir }) => {
    await pfs("import", "my-book", SAMPLE);
    assert.equal(await pfs("repair"), "Nothing was to be mended. The store is sound.\n");
    const lesson = await readFile(join(SAMPLE, LESSON), "utf8");
    await pfs("mount", "my-book", dir);
    const busy = await run("repair");
    assert.deepEqual(
      [busy.code, busy.stderr.split("\n")[1]],
      [1, "  End it first with `pfs stop`, and keep a copy of the store."],
    );
    await pfs("stop");
    tamper(store, `DELETE FROM file_journal WHERE path = '${LESSON}'; DROP INDEX file_journal_parent`);
    assert.equal((await run("verify")).code, 1);
    const said = await pfs("repair");
    assert.match(
      said,
      /^mended database file_journal_parent: The index file_journal_parent was made anew\.$/m,
    );
    assert.match(said, /^mended R6 content\/.*: The journal has .* as the log says again\.$/m);
    assert.match(said, /Mended [0-9]+ damages\. The store is sound\.\n$/);
    await pfs("mount", "my-book", dir);
    assert.equal(await readFile(join(dir, LESSON), "utf8"), lesson);
    await pfs("stop");
    tamper(
      store,
      `UPDATE blob SET data = x'00' WHERE sha256 = (SELECT sha256 FROM file_journal WHERE path = '${LESSON}')`,
    );
    const bad = await run("repair", "--json");
    assert.equal(bad.code, 1);
    const { outcome, rule, subject } = JSON.parse(bad.stdout);
    assert.deepEqual({ outcome, rule, subject }, { outcome: "left", rule: "R2", subject: LESSON });
    assert.match((await run("repair")).stdout, /Nothing was to be mended\. 1 error left\.\n$/);
  }));

test("a store that lacks a table: every command says so, and how it is mended; repair mends it", () =>
  withPlace(async ({ pfs, run, store, dir }) => {
    await pfs("import", "my-book", SAMPLE);
    tamper(store, "DROP TABLE conflict");
    for (const words of [["status"], ["ls", "my-book"], ["log"], ["conflicts"], ["mount", "my-book", dir]]) {
      const { code, stderr } = await run(...words);
      assert.equal(code, 1, words[0]);
      assert.match(
        stderr,
        /^pfs: The store's database is damaged: no such table: conflict\.\n {2}`pfs verify` says/,
      );
    }
    await pfs("stop");
    assert.match(await pfs("repair"), /The table conflict was made anew\./);
    assert.match(await pfs("ls", "my-book"), /content/);
  }));
