/** Owns the proof that ids come into being through their parsers only, within their documented forms. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import "../property-seed.ts";
import fc from "fast-check";
import { PfsError } from "../../schema/errors.ts";
import {
  BASE,
  newFileId,
  parseAgentName,
  parseBlobHash,
  parseBookId,
  parseFileId,
  parseLayerOwner,
  parseSeq,
  parseUserId,
} from "../../schema/ids.ts";

function refuses(code: string, run: () => unknown, about: string): void {
  assert.throws(
    run,
    (error) => error instanceof PfsError && error.code === code && /\.$/.test(error.message),
    about,
  );
}

describe("ids", () => {
  test("book ids are 3 to 50 of a-z, 0-9 and hyphen", () => {
    for (const good of ["abc", "my-book", "a".repeat(50), "123", "---"])
      assert.equal(parseBookId(good), good);
    for (const bad of [
      "",
      "ab",
      "a".repeat(51),
      "My-book",
      "my_book",
      "my book",
      "abc\n",
      "bücher",
      "٣٣٣",
      "../x",
    ]) {
      refuses("USAGE", () => parseBookId(bad), bad);
    }
  });

  test("a user named __base__ is refused, as is every name that begins with __", () => {
    for (const good of ["a", "alice", "_x", "A-b_9", "u".repeat(100), "-", "a__"])
      assert.equal(parseUserId(good), good);
    for (const bad of ["", "__base__", "__", "__x", "u".repeat(101), "a b", "a/b", "a\n", "ä", "a.b"]) {
      refuses("USAGE", () => parseUserId(bad), bad);
    }
    assert.equal(parseLayerOwner("__base__"), BASE);
    assert.equal(parseLayerOwner("alice"), "alice");
    refuses("USAGE", () => parseLayerOwner("__other__"), "__other__");
  });

  test("R7: FR-021: an agent is named, and is not system", () => {
    for (const good of [
      "alice",
      "claude-lesson-writer-7",
      "Zoë Ω",
      "a".repeat(200),
      "systemd",
      "my system",
    ]) {
      assert.equal(parseAgentName(good), good);
    }
    for (const bad of ["", " ", "\t\n", "\u00a0", "system", "SYSTEM", "System", " system ", "sYsTeM\n"]) {
      refuses("AGENT_REQUIRED", () => parseAgentName(bad), bad);
    }
    for (const bad of [" alice", "alice ", "a\u0000b", "a\nb", "a\u0085b", "a".repeat(201), "a\ud800b"]) {
      refuses("USAGE", () => parseAgentName(bad), bad);
    }
  });

  test("hashes are 64 lower-case hexadecimal digits", () => {
    const good = "0123456789abcdef".repeat(4);
    assert.equal(parseBlobHash(good), good);
    for (const bad of ["", good.toUpperCase(), good.slice(1), `${good}0`, `${good}\n`, `g${good.slice(1)}`]) {
      refuses("USAGE", () => parseBlobHash(bad), bad);
    }
  });

  test("positions and file ids are whole numbers in their range", () => {
    assert.equal(parseSeq(0), 0);
    assert.equal(parseSeq("17"), 17);
    for (const bad of [-1, 1.5, Number.NaN, 2 ** 53, -0, "", "-1", "01", "1e3", "0x1", " 1", "1\n", "١"]) {
      refuses("USAGE", () => parseSeq(bad), String(bad));
    }
    assert.equal(parseFileId(2 ** 32), 2 ** 32);
    assert.equal(parseFileId("9007199254740991"), 2 ** 53 - 1);
    for (const bad of [0, 1, 2 ** 32 - 1, 2 ** 53, "9007199254740993"]) {
      refuses("USAGE", () => parseFileId(bad), String(bad));
    }
  });

  test("I1: new file ids are in range and do not repeat", () => {
    const seen = new Set<number>();
    for (let i = 0; i < 20_000; i++) seen.add(parseFileId(newFileId()));
    assert.equal(seen.size, 20_000);
  });

  test("the parsers refuse with one sentence, whatever they are given", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 300 }), (text) => {
        for (const parse of [
          parseBookId,
          parseUserId,
          parseAgentName,
          parseBlobHash,
          parseSeq,
          parseFileId,
        ]) {
          try {
            parse(text);
          } catch (error) {
            assert.ok(error instanceof PfsError);
            assert.doesNotMatch(error.message, /[\u0000-\u001f\u007f-\u009f]/);
          }
        }
      }),
    );
  });
});
