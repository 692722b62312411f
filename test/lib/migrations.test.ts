// A store that an earlier version made is brought up to date as it is opened, with all that is in it.

import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { APPLICATION_ID, newestVersion, STORE_TABLES } from "../../lib/migrations.ts";
import { expectedSchema } from "../../lib/verify/database.ts";
import { ALICE, BookFixture } from "./book-fixture.ts";
import { assertSound } from "./soundness.ts";

const MIGRATIONS = new URL("../../schema/migrations/", import.meta.url);
/** What the first version had and has still. */
const TABLES = [
  "book",
  "blob",
  "file_journal",
  "audit_log",
  "worktree_entry",
  "worktree_node",
  "worktree_xattr",
  "vacancy",
];

/** Puts what is in a store of today into one of the first version, as far as that has the columns. */
function makeFirstVersion(from: string, to: string): void {
  mkdirSync(to, { mode: 0o700 });
  const database = new Sqlite(join(to, "pfs.db"));
  try {
    database.pragma("journal_mode = WAL");
    database.exec(readFileSync(new URL("0001-store.sql", MIGRATIONS), "utf8"));
    database.pragma(`application_id = ${APPLICATION_ID}`);
    database.pragma("user_version = 1");
    database.exec(`ATTACH '${join(from, "pfs.db")}' AS newer`);
    for (const table of TABLES) {
      const columns = (database.pragma(`main.table_info(${table})`) as { name: string }[]).map(
        ({ name }) => name,
      );
      database.exec(`INSERT INTO main.${table} (${columns}) SELECT ${columns} FROM newer.${table}`);
    }
  } finally {
    database.close();
  }
}

test("a store of the first version is migrated with books, log, scratch and attributes, and is sound", () => {
  const top = mkdtempSync(join(tmpdir(), "pfs-test-"));
  try {
    const today = new BookFixture(join(top, "today"), {});
    today.makeDirectories("part/one");
    today.write("part/one/a.md", "first");
    today.write("part/one/a.md", "second");
    today.rename("part/one", "part/two");
    today.worktree.setXattr(
      today.node("part/two/a.md").fileId,
      "user.note",
      Buffer.from("x"),
      { create: false, replace: false },
      ALICE,
    );
    today.unlink("part/two/a.md");
    today.write("part/two/b.md", "kept");
    today.worktree.setAttributes(today.node("part/two/b.md").fileId, { mode: 0o600 }, ALICE);
    const { head, seq } = today.library.log;
    const { fileId } = today.node("part/two/b.md");
    // The vacancy of what was just removed is to be taken over, too.
    today.library.store.close();
    makeFirstVersion(join(top, "today"), join(top, "first"));
    const migrated = new BookFixture(join(top, "first"), {});
    try {
      assert.equal(migrated.library.store.database.pragma("user_version", { simple: true }), newestVersion());
      assert.equal(migrated.text("part/two/b.md"), "kept");
      assert.equal(migrated.node("part/two/b.md").fileId, fileId);
      assert.equal(migrated.node("part/two/b.md").mode & 0o777, 0o600);
      assert.deepEqual(migrated.list("part/two"), ["b.md"]);
      // Opening it has settled what waited.
      assert.equal(migrated.library.log.seq, seq + 1);
      assert.equal(migrated.log()[seq - 1]?.entry_hash, head);
      assertSound(migrated.library);
    } finally {
      migrated.close();
    }
  } finally {
    rmSync(top, { recursive: true, force: true });
  }
});

test("the tables without which no store is opened are all that the migrations make", () => {
  const made = expectedSchema().filter(({ type }) => type === "table");
  assert.deepEqual(made.map(({ name }) => name).sort(), [...STORE_TABLES].sort());
});
