/** Owns the proof that no invalid path gets past its parser (FR-009, R1). */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import "../property-seed.ts";
import fc from "fast-check";
import { PfsError, PosixError } from "../../schema/errors.ts";
import {
  baseNameOf,
  checkName,
  decodeName,
  isBelow,
  joinPath,
  parentOf,
  parseTreePath,
  ROOT,
  segmentsOf,
  type TreePath,
} from "../../schema/paths.ts";

const isInvalid = (error: unknown) => error instanceof PfsError && error.code === "INVALID_PATH";
const isTooLong = (error: unknown) => error instanceof PosixError && error.code === "ENAMETOOLONG";

/** Parts that attackers and accidents are made of. */
const hostilePart = fc.constantFrom(
  ...[
    "..",
    ".",
    "/",
    "//",
    "\0",
    "\n",
    "\r",
    "\t",
    "\u007f",
    "\u0085",
    "\u009f",
    "\ud800",
    "\udfff",
    "a",
    "é",
    "😀",
  ],
  ...["content", "01-A", "...", " ", "%2e%2e", "\\", "e\u0301"],
);
const hostileText = fc
  .array(fc.oneof(hostilePart, fc.string({ unit: "binary" })), { maxLength: 12 })
  .map((x) => x.join(""));

/** The rules once more, written from the design and not from the code. */
function isValidByTheBook(text: string): boolean {
  if (Buffer.from(text, "utf8").toString("utf8") !== text) return false;
  if (/[\u0000-\u001f\u007f-\u009f]/.test(text)) return false;
  const names = text.split("/");
  return names.every(
    (name) => name !== "" && name !== "." && name !== ".." && Buffer.byteLength(name) <= 255,
  );
}

describe("paths", () => {
  test("FR-009: .., leading /, NUL and their kin are INVALID_PATH", () => {
    const bad = [
      "",
      "/",
      "/a",
      "a/",
      "a//b",
      ".",
      "..",
      "./a",
      "a/.",
      "a/..",
      "a/../b",
      "../a",
      "a/./b",
      "a\0",
      "\0",
    ];
    bad.push(
      "a\nb",
      "a\n",
      "a\r",
      "a\t",
      "\u001f",
      "a\u007f",
      "a\u0080",
      "a\u009f/b",
      "\ud800",
      "a\udc00b",
      "\ud83d/\ude00",
    );
    for (const text of bad) {
      assert.throws(() => parseTreePath(text), isInvalid, JSON.stringify(text));
      assert.throws(() => checkName(text), isInvalid, JSON.stringify(text));
    }
    assert.throws(() => checkName("a/b"), isInvalid);
  });

  test("bytes are never normalised, and odd but valid names pass", () => {
    const good = [
      "a",
      "...",
      "..a",
      "a..",
      ".a",
      " ",
      "a b",
      "é",
      "é",
      "😀",
      "\u00a0",
      "\ufeffa",
      "%2e%2e",
      "a\\b",
      "a:b",
    ];
    for (const text of good) {
      assert.equal(parseTreePath(text), text);
      assert.equal(parseTreePath(`x/${text}/y`), `x/${text}/y`);
      checkName(text);
    }
  });

  test("names end at 255 bytes and paths at 4095", () => {
    for (const name of ["a".repeat(255), `${"é".repeat(127)}a`, "€".repeat(85), `${"😀".repeat(63)}abc`]) {
      assert.equal(Buffer.byteLength(name), 255);
      parseTreePath(`x/${name}`);
      checkName(name);
      assert.throws(() => parseTreePath(`x/${name}a`), isTooLong);
      assert.throws(() => checkName(`${name}a`), isTooLong);
    }
    const longest = `${"a/".repeat(2047)}a`;
    assert.equal(parseTreePath(longest).length, 4095);
    assert.throws(() => parseTreePath(`${longest}a`), isTooLong);
    assert.throws(() => joinPath(parseTreePath(longest), "b"), isTooLong);
    const wide = parseTreePath(`${"é".repeat(100)}/`.repeat(20) + "é".repeat(10));
    assert.throws(() => joinPath(wide, "é".repeat(30)), isTooLong);
  });

  test("R1: SC-005: no text that breaks a rule passes, and no other is refused", () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        let passes = true;
        try {
          parseTreePath(text);
        } catch (error) {
          assert.ok(isInvalid(error) || isTooLong(error));
          passes = false;
        }
        assert.equal(passes, isValidByTheBook(text) && Buffer.byteLength(text) <= 4095);
      }),
      { numRuns: 3000 },
    );
  });

  test("names decode only from strict UTF-8, byte for byte", () => {
    const bytes = (...values: number[]) => Uint8Array.from(values);
    const invalid = [
      bytes(0xff),
      bytes(0xc0, 0xaf),
      bytes(0xe0, 0x80, 0xaf),
      bytes(0xed, 0xa0, 0x80),
      bytes(0xc3),
    ];
    invalid.push(bytes(0xf4, 0x90, 0x80, 0x80), bytes(0x61, 0x80));
    for (const one of invalid) assert.equal(decodeName(one), undefined);
    assert.equal(decodeName(bytes(0xef, 0xbb, 0xbf, 0x61)), "\ufeffa");
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (raw) => {
        const text = decodeName(raw);
        if (text !== undefined) assert.deepEqual(new Uint8Array(Buffer.from(text, "utf8")), raw);
      }),
    );
  });

  test("splitting and joining are each other's inverse", () => {
    const path = parseTreePath("content/01-A/x.md");
    assert.equal(parentOf(path), "content/01-A");
    assert.equal(baseNameOf(path), "x.md");
    assert.deepEqual(segmentsOf(path), ["content", "01-A", "x.md"]);
    assert.equal(parentOf("content" as TreePath), ROOT);
    assert.equal(joinPath(ROOT, "content"), "content");
    assert.throws(() => joinPath(path, ".."), isInvalid);
    assert.throws(() => joinPath(path, "a/b"), isInvalid);
    const name = fc
      .string({ minLength: 1, maxLength: 20 })
      .filter((text) => isValidByTheBook(text) && !text.includes("/"));
    fc.assert(
      fc.property(fc.array(name, { minLength: 1, maxLength: 6 }), (names) => {
        const whole = parseTreePath(names.join("/"));
        assert.equal(joinPath(parentOf(whole), baseNameOf(whole)), whole);
        assert.ok(isBelow(whole, parentOf(whole)));
      }),
    );
  });

  test("a directory is not below itself nor below one that begins alike", () => {
    const directory = parseTreePath("content/01-A");
    assert.ok(isBelow("content/01-A/x", directory));
    for (const path of ["content/01-A", "content/01-AB", "content/01-AB/x", "content", ""])
      assert.ok(!isBelow(path, directory));
    assert.ok(isBelow("a", ROOT) && !isBelow("", ROOT));
  });
});
