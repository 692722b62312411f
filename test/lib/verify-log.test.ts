// R6: whatever is changed in the log is found.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { verifyStore } from "../../lib/verify.ts";
import "../property-seed.ts";
import { tamper, withStore } from "./test-store.ts";
import { assertReadable, fillStore } from "./verify-samples.ts";

const fields = [
  ["timestamp", "'2020-01-01T00:00:00.000Z'"],
  ["agent_id", "'bob'"],
  ["operation", "'rename'"],
  ["book_id", "'other-book'"],
  ["path", "'other.md'"],
  ["user_id", "'bob'"],
  ["prev_hash", `'${"0".repeat(64)}'`],
  ["new_hash", `'${"0".repeat(64)}'`],
  ["status", "'refused'"],
  ["error_message", "'no'"],
  ["execution_time_ms", "execution_time_ms + 1"],
  ["file_id", "file_id + 1"],
  ["prev_path", "'before.md'"],
  ["uid", "uid + 1"],
  ["pid", "pid + 1"],
  ["command", "'vim'"],
  ["command", "CAST('test' AS BLOB)"],
  ["size", "size + 1"],
  ["mode", "33261"],
  ["mtime", "'1'"],
  ["entry_hash", `'${"1".repeat(64)}'`],
] as const;

for (const [field, value] of fields) {
  test(`R6: a row whose ${field} becomes ${value.slice(0, 24)} is found`, async () => {
    await withStore("any", async (store) => {
      fillStore(store);
      tamper(store, `UPDATE audit_log SET ${field} = ${value} WHERE seq = 2`);
      const found = await verifyStore(store.reader);
      assertReadable(found);
      const subjects = found.filter((finding) => finding.rule === "R6").map((finding) => finding.subject);
      assert.ok(subjects.includes("row 2") || subjects.includes("row 3"), `found ${JSON.stringify(found)}`);
    });
  });
}

test("R6: tampering with any field of any row is detected", async () => {
  await withStore("any", async (store) => {
    fillStore(store);
    const { seq } = store.reader.head();
    const row = fc.integer({ min: 1, max: seq });
    await fc.assert(
      fc.asyncProperty(row, fc.constantFrom(...fields), async (at, [field, value]) => {
        const { database } = store.library.store;
        const select = database.prepare<[number], Record<string, unknown>>(
          `SELECT ${field} AS was, (${field} IS ${value}) AS same FROM audit_log WHERE seq = ?`,
        );
        const before = select.get(at);
        if (before?.same === 1 || (before?.was === null && /\+/.test(value))) return;
        tamper(store, `UPDATE audit_log SET ${field} = ${value} WHERE seq = ${at}`);
        const found = await verifyStore(store.reader);
        assert.ok(found.some(({ rule }) => rule === "R6"));
        const was = typeof before?.was === "string" ? `'${before.was}'` : before?.was;
        tamper(store, `UPDATE audit_log SET ${field} = ${was ?? "NULL"} WHERE seq = ${at}`);
        assert.deepEqual(await verifyStore(store.reader), []);
      }),
      { numRuns: 40 },
    );
  });
});
