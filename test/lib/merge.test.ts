// Three-way merges by lines: what merges, what does not, byte for byte, in bounded time.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { mergeText } from "../../lib/merge.ts";
import "../property-seed.ts";

function merge(base: string, mine: string, theirs: string): string | undefined {
  const bytes = (text: string): Buffer => Buffer.from(text);
  return mergeText({ base: bytes(base), mine: bytes(mine), theirs: bytes(theirs) })?.toString();
}

test("changes of different lines merge; the same change on both sides is one", () => {
  assert.equal(merge("a\nb\nc\n", "A\nb\nc\n", "a\nb\nC\n"), "A\nb\nC\n");
  assert.equal(merge("a\nb\nc\n", "a\nc\n", "a\nb\nc\nd\n"), "a\nc\nd\n");
  assert.equal(merge("a\nb\n", "new\na\nb\n", "new\na\nb\n"), "new\na\nb\n");
  assert.equal(merge("a\n", "a\n", "b\n"), "b\n");
  assert.equal(merge("", "", "new\n"), "new\n");
});

test("changes of the same or of touching lines do not merge", () => {
  assert.equal(merge("a\n", "b\n", "c\n"), undefined);
  assert.equal(merge("a\nb\n", "A\nb\n", "a\nB\n"), undefined);
  assert.equal(merge("a\n", "a\nmine\n", "a\ntheirs\n"), undefined);
  assert.equal(merge("", "mine\n", "theirs\n"), undefined);
  assert.equal(merge("a\nb\nc\n", "", "a\nb\nC\n"), undefined);
});

test("two paragraphs with a blank line between them are changed by two people", () => {
  const base = "# Title\n\nFirst.\n\nSecond.\n\nThird.\n";
  const merged = merge(base, base.replace("First", "FIRST"), base.replace("Second", "SECOND"));
  assert.equal(merged, "# Title\n\nFIRST.\n\nSECOND.\n\nThird.\n");
});

test("bytes are never altered: CRLF, a missing final newline, a byte order mark, lone carriage returns", () => {
  assert.equal(merge("a\r\nb\r\nc", "A\r\nb\r\nc", "a\r\nb\r\nc\n"), "A\r\nb\r\nc\n");
  assert.equal(merge("\ufeffa\nb\nc\n", "\ufeffa\nb\nC", "\ufeffé\nb\nc\n"), "\ufeffé\nb\nC");
  assert.equal(merge("a\rb\nc\nd", "a\rB\nc\nd", "a\rb\nc\nD"), "a\rB\nc\nD");
  assert.equal(
    merge("a\nb\nc\n", "a\r\nb\r\nc\r\n", "a\nb\nC\n"),
    undefined,
    "other line ends are other lines",
  );
  assert.equal(merge("a\nb\n\u2028c\n", "A\nb\n\u2028c\n", "a\nb\n\u2028C\n"), "A\nb\n\u2028C\n");
});

test("lines that are words of JavaScript are lines", () => {
  const words = ["__proto__", "constructor", "toString", "0", "-1"].join("\n");
  assert.equal(merge(words, `x\n${words}`, `${words}\ny`), `x\n${words}\ny`);
  assert.equal(merge(`${words}\n`, `x\n${words}\n`, `${words}\ny`), `x\n${words}\ny`);
});

test("what is no text does not merge", () => {
  const [text, binary, latin1] = [Buffer.from("a\n"), Buffer.from("a\0\n"), Buffer.from([0xe9, 0x0a])];
  for (const other of [binary, latin1]) {
    assert.equal(mergeText({ base: other, mine: text, theirs: text }), undefined);
    assert.equal(mergeText({ base: text, mine: other, theirs: text }), undefined);
    assert.equal(mergeText({ base: text, mine: text, theirs: other }), undefined);
  }
});

test("a merge of 5,000 lines is quick, one that would not be is none", () => {
  const base = Array.from({ length: 5000 }, (_, at) => (at % 2 === 0 ? "\n" : `paragraph ${at}\n`)).join("");
  const changed = base.replace("paragraph 4999\n", "PARAGRAPH 4999\n");
  assert.equal(merge(base, `new\n${base}`, changed), `new\n${changed}`);
  const blank = "\n".repeat(100_000);
  const startedMs = performance.now();
  assert.equal(merge(`a\n${blank}b\n`, `a\n${blank}\nb\n`, `a\n\n${blank}b\n`), undefined);
  assert.ok(performance.now() - startedMs < 1000);
});

test("whatever merges holds each side's own lines, is the same from both sides, and is a side where the other changed nothing", () => {
  const text = fc
    .array(fc.constantFrom("a\n", "b\n", "c\n", "d\r\n", "e\n", "\n"), { maxLength: 12 })
    .chain((lines) => fc.constantFrom(lines.join(""), `${lines.join("")}end`));
  fc.assert(
    fc.property(text, text, text, (base, mine, theirs) => {
      const merged = merge(base, mine, theirs);
      assert.equal(merge(base, theirs, mine), merged);
      assert.equal(merge(base, base, theirs), theirs);
      assert.equal(merge(base, mine, base), mine);
      assert.equal(merge(base, mine, mine), mine);
      if (merged === undefined) return;
      const linesOf = (each: string): string[] => each.match(/[^\n]*\n|[^\n]+$/g) ?? [];
      const known = new Set([base, mine, theirs].flatMap(linesOf));
      assert.ok(linesOf(merged).every((line) => known.has(line)));
      const added = (side: string): string[] => linesOf(side).filter((line) => !linesOf(base).includes(line));
      for (const line of [...added(mine), ...added(theirs)]) assert.ok(linesOf(merged).includes(line), line);
    }),
    { numRuns: 2000 },
  );
});
