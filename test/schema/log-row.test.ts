/** Owns the proof that a row has one canonical form and that the chain covers all of it (R6). */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import "../property-seed.ts";
import fc from "fast-check";
import {
  canonicalJson,
  entryHash,
  GENESIS_HASH,
  type LogRow,
  type LogRowBody,
} from "../../schema/log-row.ts";

const sample: LogRowBody = {
  seq: 7,
  timestamp: "2025-11-25T21:46:00.123Z",
  agent_id: "alice",
  operation: "update",
  book_id: "my-book",
  path: "content/01-Part/01-Chapter/01-intro.md",
  user_id: "__base__",
  prev_hash: "a".repeat(64),
  new_hash: "b".repeat(64),
  status: "ok",
  error_message: null,
  execution_time_ms: 0.25,
  file_id: 2 ** 40 + 1,
  prev_path: null,
  uid: 1000,
  pid: 4711,
  command: 'vim "x"',
  size: 15360,
  mode: 33188,
  mtime: "1764107160123456789",
  base_hash: null,
};

const text = fc.string({ unit: "grapheme", maxLength: 30 });
const anyText = fc.oneof(
  text,
  fc.string({ unit: fc.constantFrom('"', "\\", "\n", "\u0001", "\u007f", "\u2028", "é", "😀", "a") }),
);
const anyNumber = fc.oneof(
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.maxSafeNat(),
);
const nullable = <T>(of: fc.Arbitrary<T>) => fc.option(of);
const anyRow: fc.Arbitrary<LogRowBody> = fc.record({
  seq: fc.maxSafeNat(),
  timestamp: anyText,
  agent_id: anyText,
  operation: fc.constantFrom("create", "update", "delete", "rename", "attributes"),
  book_id: anyText,
  path: anyText,
  user_id: anyText,
  prev_hash: nullable(anyText),
  new_hash: nullable(anyText),
  status: fc.constantFrom("ok", "refused"),
  error_message: nullable(anyText),
  execution_time_ms: anyNumber,
  file_id: nullable(anyNumber),
  prev_path: nullable(anyText),
  uid: nullable(anyNumber),
  pid: nullable(anyNumber),
  command: nullable(anyText),
  size: nullable(anyNumber),
  mode: nullable(anyNumber),
  mtime: nullable(anyText),
  base_hash: nullable(anyText),
});

/** RFC 8785 for flat objects, the long way; without a base_hash that is null. */
function reference(row: object): string {
  const fields = Object.entries(row).filter(([name, value]) => name !== "base_hash" || value !== null);
  return JSON.stringify(Object.fromEntries(fields.sort(([a], [b]) => (a < b ? -1 : 1))));
}

describe("log rows", () => {
  test("R6: the canonical JSON is that of RFC 8785, whatever the order of keys", () => {
    fc.assert(
      fc.property(anyRow, fc.nat(), (row, turn) => {
        const entries = Object.entries(row);
        const turned = Object.fromEntries([
          ...entries.slice(turn % 20),
          ...entries.slice(0, turn % 20),
        ]) as unknown as LogRowBody;
        assert.equal(canonicalJson(row), reference(row));
        assert.equal(canonicalJson(turned), canonicalJson(row));
      }),
    );
  });

  test("R6: the canonical JSON of a row stays what it was", () => {
    assert.equal(
      canonicalJson(sample),
      '{"agent_id":"alice","book_id":"my-book","command":"vim \\"x\\"","error_message":null,"execution_time_ms":0.25,' +
        '"file_id":1099511627777,"mode":33188,"mtime":"1764107160123456789",' +
        `"new_hash":"${"b".repeat(64)}","operation":"update","path":"content/01-Part/01-Chapter/01-intro.md","pid":4711,` +
        `"prev_hash":"${"a".repeat(64)}","prev_path":null,"seq":7,"size":15360,"status":"ok",` +
        '"timestamp":"2025-11-25T21:46:00.123Z","uid":1000,"user_id":"__base__"}',
    );
  });

  test("R6: the entry hash covers every field, and the row before", () => {
    const original = entryHash(GENESIS_HASH, canonicalJson(sample));
    assert.equal(
      original,
      createHash("sha256").update(GENESIS_HASH).update(canonicalJson(sample)).digest("hex"),
    );
    for (const [field, value] of Object.entries(sample)) {
      for (const other of [null, typeof value === "number" ? value + 1 : `${value}x`]) {
        if (other === value) continue;
        const tampered = { ...sample, [field]: other } as LogRowBody;
        assert.notEqual(entryHash(GENESIS_HASH, canonicalJson(tampered)), original, field);
      }
    }
    assert.notEqual(entryHash("1".repeat(64), canonicalJson(sample)), original);
  });

  test("R6: a row's own hash is not part of what is hashed", () => {
    const row: LogRow = { ...sample, entry_hash: "c".repeat(64) };
    assert.equal(canonicalJson(row), canonicalJson(sample));
  });

  test("R6: what has no canonical form is refused, not hashed", () => {
    assert.throws(() => canonicalJson({ ...sample, command: "\ud800" }), RangeError);
    assert.throws(() => canonicalJson({ ...sample, execution_time_ms: Number.NaN }), RangeError);
    assert.throws(() => canonicalJson({ ...sample, size: Number.POSITIVE_INFINITY }), RangeError);
    assert.ok(canonicalJson({ ...sample, execution_time_ms: -0 }).includes('"execution_time_ms":0,'));
  });
});
