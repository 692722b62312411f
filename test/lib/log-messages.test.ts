// Messages of rows of the log, which may have in them what a remote has said.

import assert from "node:assert/strict";
import { test } from "node:test";
import { BASE } from "../../schema/ids.ts";
import { parseRowToShare } from "../../schema/shared-row.ts";
import { ALICE, BOOK, withBook } from "./book-fixture.ts";

test("a message of any length makes a row that others take", () => {
  withBook((book) => {
    const { store, log } = book.library;
    for (const errorMessage of ["x".repeat(16_384), `${"x".repeat(16_382)}😀${"y".repeat(100_000)}`])
      store.transaction(() =>
        log.append(
          {
            ...{ operation: "create", bookId: BOOK, path: "a.md", userId: BASE, status: "refused" },
            ...{ prevHash: null, newHash: null, fileId: null, startedMs: 0, errorMessage },
          },
          ALICE,
        ),
      );
    const rows = book.log();
    assert.deepEqual(
      rows.map(({ error_message }) => error_message),
      ["x".repeat(16_384), `${"x".repeat(16_382)}\ufffd…`],
    );
    for (const row of rows) {
      const parsed = parseRowToShare({ ...row, origin: "a".repeat(64), origin_seq: row.seq });
      assert.ok(!("wrong" in parsed), JSON.stringify(parsed));
    }
  });
});
