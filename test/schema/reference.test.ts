/** Owns the proof that a reference to a past state is read in all of its meanings, and nothing else is. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { PfsError } from "../../schema/errors.ts";
import { isReference, parseReference, parseTime } from "../../schema/reference.ts";

const NOW_MS = Date.parse("2025-11-25T12:00:00Z");

test("a reference is a position, the beginning of a manifest hash, an ISO time or an age", () => {
  const read = (text: string): object => {
    const { seq, hashPrefix, timeMs } = parseReference(text);
    const time = timeMs === undefined ? undefined : new Date(timeMs(NOW_MS)).toISOString();
    return Object.fromEntries(
      Object.entries({ seq, hashPrefix, time }).filter(([, value]) => value !== undefined),
    );
  };
  assert.deepEqual(read("0"), { seq: 0 });
  assert.deepEqual(read("4711"), { seq: 4711 });
  assert.deepEqual(read("0123abcd"), { hashPrefix: "0123abcd" });
  assert.deepEqual(read("a".repeat(64)), { hashPrefix: "a".repeat(64) });
  assert.deepEqual(read("2h"), { time: "2025-11-25T10:00:00.000Z" });
  assert.deepEqual(read("90s"), { time: "2025-11-25T11:58:30.000Z" });
  assert.deepEqual(read("1w"), { time: "2025-11-18T12:00:00.000Z" });
  assert.deepEqual(read("2025-11-24"), { time: "2025-11-24T00:00:00.000Z" });
  assert.deepEqual(read("2025-11-24T10:20:30.123Z"), { time: "2025-11-24T10:20:30.123Z" });
  assert.deepEqual(read("2025-11-24T10:20+02:00"), { time: "2025-11-24T08:20:00.000Z" });
});

test("a text with several readings keeps them all: only the book knows which it means", () => {
  assert.deepEqual(parseReference("12345678"), {
    text: "12345678",
    seq: 12345678,
    hashPrefix: "12345678",
  });
  const { hashPrefix, timeMs } = parseReference("1234567d");
  assert.equal(hashPrefix, "1234567d");
  assert.equal(timeMs?.(0), -1_234_567 * 86_400_000);
});

test("what has no reading is refused with what there is", () => {
  for (const text of [
    "",
    "abc",
    "2y",
    "-1",
    "1.5",
    "2025-13-01",
    "2025-11-24 10:00",
    "ABCDEF01",
    "a".repeat(65),
  ]) {
    assert.equal(isReference(text), false, text);
    assert.throws(
      () => parseReference(text),
      (error) =>
        error instanceof PfsError &&
        error.code === "USAGE" &&
        /names no state/.test(error.message) &&
        /such as 2h\.$/.test(error.hint ?? ""),
    );
  }
  assert.equal(parseTime("noon"), undefined);
  assert.equal(isReference("content"), false);
});
