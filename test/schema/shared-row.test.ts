// The canonical JSON of rows of a shared log.

import "../property-seed.ts";
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { LogRowBody } from "../../schema/log-row.ts";
import { canonicalSharedJson, type RowOrigin } from "../../schema/shared-row.ts";

const text = fc.oneof(fc.string(), fc.constant(',"path":"x","origin":"y"'));
const row: fc.Arbitrary<LogRowBody & RowOrigin> = fc.record({
  seq: fc.nat(),
  timestamp: fc.constant("2025-11-25T21:46:00.000Z"),
  agent_id: text,
  operation: fc.constant("update"),
  book_id: text,
  path: text,
  user_id: text,
  prev_hash: fc.option(text),
  new_hash: fc.option(text),
  status: fc.constant("ok"),
  error_message: fc.option(text),
  execution_time_ms: fc.double({ noNaN: true, noDefaultInfinity: true }),
  file_id: fc.option(fc.nat()),
  prev_path: fc.option(text),
  uid: fc.option(fc.nat()),
  pid: fc.option(fc.nat()),
  command: fc.option(text),
  size: fc.option(fc.nat()),
  mode: fc.option(fc.nat()),
  mtime: fc.option(text),
  base_hash: fc.option(text),
  origin: text,
  origin_seq: fc.nat(),
});

test("R6: the canonical JSON of a shared row is all of its fields with sorted keys, but for a base_hash that is null", () => {
  fc.assert(
    fc.property(row, (each) => {
      const fields = Object.entries(each).filter(([name, value]) => name !== "base_hash" || value !== null);
      const sorted = Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1)));
      assert.equal(canonicalSharedJson(each), JSON.stringify(sorted));
    }),
  );
});
