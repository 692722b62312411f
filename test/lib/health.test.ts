// The quick checks: they pass in a sound store, and fail for a changed end of the log and a full disk.

import assert from "node:assert/strict";
import { test } from "node:test";
import { checkHealth } from "../../lib/health.ts";
import { withBook } from "./book-fixture.ts";

test("health: an empty store and one with a log pass", () => {
  withBook((book) => {
    const { store, log } = book.library;
    assert.deepEqual(
      checkHealth(store, log).map(({ check, pass }) => [check, pass]),
      [
        ["log", true],
        ["disk", true],
      ],
    );
    book.write("a", "1");
    book.write("b", "1");
    assert.ok(checkHealth(store, log).every(({ pass }) => pass));
    assert.match(checkHealth(store, log)[0]?.message ?? "", /^The last of 2 rows /);
  });
});

test("health: a last row that was changed, or removed, fails", () => {
  for (const change of [
    "UPDATE audit_log SET agent_id = 'mallory' WHERE seq = 2",
    "DELETE FROM audit_log WHERE seq = 2",
  ]) {
    withBook((book) => {
      book.write("a", "1");
      book.write("b", "1");
      const { store, log } = book.library;
      for (const trigger of ["audit_log_no_update", "audit_log_no_delete"])
        store.database.exec(`DROP TRIGGER ${trigger}`);
      store.database.exec(change);
      const [found] = checkHealth(store, log);
      assert.equal(found?.pass, false);
      assert.match(found.message, /is not what was written; `pfs verify` says more/);
    });
  }
});

test("health: a disk without the reserve fails, with the sentence that writers get", () => {
  withBook(
    (book) => {
      const { store, log } = book.library;
      const found = checkHealth(store, log).find(({ check }) => check === "disk");
      assert.deepEqual(
        [found?.pass, found?.message],
        [false, `The disk of the store ${book.directory} is full.`],
      );
    },
    { store: { reserveBytes: Number.MAX_SAFE_INTEGER } },
  );
});
