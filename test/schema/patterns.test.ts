/** Owns the proof that patterns mean what their language says, in bounded time. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import "../property-seed.ts";
import fc from "fast-check";
import { PfsError } from "../../schema/errors.ts";
import { compilePatterns } from "../../schema/patterns.ts";
import { SegmentPattern } from "../../schema/segment-pattern.ts";

/** What a segment pattern means, as a regular expression: the reference for short texts. */
function toRegExp(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^$[\]\\]/g, "\\$&")
    .replace(/\*/g, "[^/]*")
    .replaceAll("{NN-Name}", "[0-9]{2}-[A-Za-z0-9][A-Za-z0-9-]*")
    .replaceAll("{NN-name}", "[0-9]{2}-[A-Za-z0-9][A-Za-z0-9-]*")
    .replaceAll("{name}", "[A-Za-z0-9][A-Za-z0-9-]*")
    .replaceAll("{any}", "[^/]+");
  return new RegExp(`^(?:${source})$`, "s");
}

const segmentPart = fc.constantFrom(
  "a",
  "b",
  "-",
  ".md",
  "01",
  "*",
  "(a|b)",
  "(ab|a)?",
  "(.summary)?",
  "{name}",
  "{NN-Name}",
);
const segmentText = fc
  .array(segmentPart, { minLength: 1, maxLength: 6 })
  .map((parts) => parts.join(""))
  .filter((text) => !text.includes("**") && text.split("*").length <= 5);
const nameText = fc.string({ unit: fc.constantFrom(..."ab-.0195md\nöZ".split("")), maxLength: 14 });

describe("patterns", () => {
  test("a segment matches what its regular expression matches", () => {
    fc.assert(
      fc.property(segmentText, fc.array(nameText, { minLength: 1, maxLength: 20 }), (text, names) => {
        const segment = new SegmentPattern(text);
        const reference = toRegExp(text);
        for (const name of names)
          assert.equal(segment.matches(name), reference.test(name), `${text} on ${name}`);
      }),
      { numRuns: 2000 },
    );
  });

  test("** stands for any number of segments, none included", () => {
    const set = compilePatterns(["a/**/z", "only/**"]);
    for (const path of ["a/z", "a/b/z", "a/b/c/d/z", "a/z/z", "only", "only/x", "only/x/y"])
      assert.ok(set.matchesFile(path), path);
    for (const path of ["a", "z", "a/b", "a/z/b", "b/z", "only2/x"]) assert.ok(!set.matchesFile(path), path);
    for (const path of ["", "a", "a/b", "a/z", "a/b/c", "only", "only/x/y"])
      assert.ok(set.admitsDirectory(path), path);
    for (const path of ["z", "b", "onlyx"]) assert.ok(!set.admitsDirectory(path), path);
  });

  test("a directory is admitted when something below it can be", () => {
    const set = compilePatterns(["content/{NN-Name}/{name}.md", "a/b/c", "README.md"]);
    for (const path of ["content", "content/01-A", "a", "a/b"]) assert.ok(set.admitsDirectory(path), path);
    for (const path of [
      "content/foo",
      "content/01-A/x.md",
      "a/b/c",
      "a/c",
      "README.md",
      "conten",
      "content2",
    ]) {
      assert.ok(!set.admitsDirectory(path), path);
    }
  });

  test("every parent of a matching path is an admitted directory", () => {
    const part = fc.oneof(fc.constant("**"), segmentText);
    const paths = fc.array(
      nameText.filter((name) => name !== ""),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(
        fc.array(part, { minLength: 1, maxLength: 4 }),
        fc.array(paths, { maxLength: 10 }),
        (parts, all) => {
          const set = compilePatterns(["x", parts.join("/")]);
          for (const names of [...all, ["x"]]) {
            if (!set.matchesFile(names.join("/"))) continue;
            for (let length = 1; length < names.length; length++) {
              assert.ok(set.admitsDirectory(names.slice(0, length).join("/")));
            }
          }
        },
      ),
    );
  });

  test("closed to hidden names, only a segment that begins with a dot admits one", () => {
    const set = compilePatterns(["**/*.md", "{any}/x", ".vale.ini", ".well-known/**"], { hidden: false });
    for (const path of ["a.md", "b/a.md", "b/x", ".vale.ini", ".well-known/a"])
      assert.ok(set.matchesFile(path), path);
    for (const path of [".a.md", ".b/a.md", ".b/x", ".other", ".well-known/.a"])
      assert.ok(!set.matchesFile(path), path);
    assert.ok(!set.admitsDirectory(".b"));
    assert.ok(compilePatterns(["**/*.md"]).matchesFile(".b/.a.md"));
  });

  test("malformed patterns are refused and say why", () => {
    const cases: Array<[string, RegExp]> = [
      ["", /nothing at all/],
      ["/a", /slash/],
      ["a/", /slash/],
      ["a//b", /slash/],
      ["a/../b", /"\.\."/],
      ["a\nb", /control/],
      ["a**", /whole segment/],
      ["(a|b", /not closed/],
      ["(a/b)", /not closed/],
      ["a)", /no meaning/],
      ["a?", /no meaning/],
      ["(|a)", /empty/],
      ["()", /empty/],
      ["(a*)", /plain text/],
      ["((a))", /plain text/],
      ["{", /not closed/],
      ["{nope}", /unknown/],
      ["{constructor}", /unknown/],
      ["x{any}", /whole segment/],
      ["a\\b", /no meaning/],
      ["*a*b*c*d*e", /at most 4/],
      ["a".repeat(1001), /longer than 1000/],
    ];
    for (const [pattern, reason] of cases) {
      assert.throws(
        () => compilePatterns([pattern]),
        (error) => error instanceof PfsError && error.code === "USAGE" && reason.test(error.message),
        pattern,
      );
    }
    assert.throws(() => compilePatterns([]), PfsError);
    assert.throws(() => compilePatterns(Array.from({ length: 501 }, (_, i) => `a${i}`)), PfsError);
    assert.throws(
      () => compilePatterns(Array.from({ length: 100 }, (_, i) => `${"a".repeat(990)}${i}`)),
      PfsError,
    );
  });

  test("hostile patterns do not run away", () => {
    const names = ["a".repeat(254), `${"a".repeat(200)}b`, "a-".repeat(127)];
    const segments = [
      "*a*a*a*a",
      `*${"(a|aa)?".repeat(30)}*b`,
      "{name}".repeat(100),
      "(a|aa|aaa)".repeat(25),
    ];
    for (const text of segments) {
      const segment = new SegmentPattern(text);
      for (const name of names) assert.equal(typeof segment.matches(name), "boolean");
    }
    const deep = compilePatterns([`${"**/a/".repeat(150)}b`, ...segments.map((text) => `**/${text}/**/x`)]);
    assert.equal(deep.matchesFile(`${"a/".repeat(2040)}c`), false);
    assert.equal(deep.matchesFile(`${"a/".repeat(2040)}b`), true);
    const many = compilePatterns(Array.from({ length: 500 }, (_, i) => `**/*a*a*a*${i}`));
    assert.equal(many.matchesFile(`${`${"a".repeat(250)}/`.repeat(15)}x`), false);
  });

  test("an explanation names the part that fits nowhere, and what would", () => {
    const set = compilePatterns(["content/{NN-Name}/{NN-name}.md", "static/(img|audio)/**/{any}"], {
      hidden: false,
    });
    assert.match(
      set.explain("docs/x.md"),
      /"docs" has no place at the book's root: expected content or static/,
    );
    assert.match(
      set.explain("content/Foo/01-a.md"),
      /"Foo" has no place below "content": expected \{NN-Name\}/,
    );
    assert.match(set.explain("content/01-A/1-a.md"), /"1-a.md" .*expected \{NN-name\}\.md/);
    assert.match(set.explain("content/01-A"), /can only be a directory, holding \{NN-name\}\.md/);
    assert.match(set.explain("content/01-A/01-a.md/x"), /no such folder/);
    assert.match(set.explain("static/img/.x"), /hidden/);
    assert.match(set.explain("content/01-A/01-a.md"), /fits/);
  });
});
