// Patterns that paths are asked for with: what fits, what is refused, and that none is slow.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { PathGlob } from "../../schema/path-glob.ts";
import "../property-seed.ts";

const table: readonly (readonly [pattern: string, fits: readonly string[], others: readonly string[]])[] = [
  ["a/b.md", ["a/b.md"], ["a/b.mdx", "a/b", "x/a/b.md", "A/b.md"]],
  ["a/*", ["a/b", "a/.b"], ["a", "a/b/c", "b/b"]],
  ["*/b*.md", ["a/b.md", "a/bcd.md"], ["b.md", "a/c/b.md", "a/ab.md"]],
  ["**", ["a", "a/b", "a/b/c"], []],
  ["a/**", ["a/b", "a/b/c"], ["a", "b", "ab/c"]],
  ["**/x.md", ["x.md", "a/x.md", "a/b/x.md"], ["ax.md", "x.md/a"]],
  ["*/**", ["a/b", "a/b/c"], ["a"]],
  ["a/**/z", ["a/z", "a/b/z", "a/b/c/z"], ["z", "a/b/zz"]],
  ["a/**/b/**/c", ["a/b/c", "a/x/b/y/c", "a/b/b/c"], ["a/c", "b/c"]],
  ["0?-*", ["01-a", "0é-"], ["0-a", "001-a"]],
  ["[a-c]x", ["ax", "cx"], ["dx", "x", "-x"]],
  ["[!a-c]x", ["dx", "-x"], ["ax", "x"]],
  ["[]x-]", ["]", "x", "-"], ["a"]],
  ["a\\*b", ["a*b"], ["axb", "a\\b"]],
  ["a**b", ["ab", "axxb"], ["a/b"]],
];

for (const [pattern, fits, others] of table) {
  test(`patterns of paths: ${pattern}`, () => {
    const glob = new PathGlob(pattern);
    for (const path of fits) assert.ok(glob.matches(path), path);
    for (const path of others) assert.ok(!glob.matches(path), path);
  });
}

test("patterns of paths: what is malformed is refused", () => {
  for (const pattern of ["", "[", "a/[b", "[]", "a\\", "a/[b/c]", "x".repeat(5000)])
    assert.throws(
      () => new PathGlob(pattern),
      { code: "USAGE", message: /is no pattern of paths: / },
      pattern,
    );
});

test("patterns of paths: a pattern without special characters is one path, and each begins as it must", () => {
  const names = fc.array(
    fc.string({ unit: fc.constantFrom("a", "b", ".", "é"), minLength: 1, maxLength: 4 }),
    {
      minLength: 1,
      maxLength: 4,
    },
  );
  fc.assert(
    fc.property(names, fc.nat(3), (path, place) => {
      const text = path.join("/");
      assert.deepEqual([new PathGlob(text).path, new PathGlob(text).matches(text)], [text, true]);
      const glob = new PathGlob(path.with(place % path.length, "*").join("/"));
      assert.ok(glob.matches(text) && text.startsWith(glob.prefix) && glob.path === undefined);
      assert.ok(new PathGlob([...path.slice(0, place % path.length), "**"].join("/")).matches(text));
    }),
  );
});

test("patterns of paths: none takes long, whatever it is asked about", () => {
  const started = performance.now();
  const path = `${"a".repeat(255)}/`.repeat(15);
  for (const pattern of [`${"*a".repeat(100)}b`, `${"**/".repeat(100)}b`, `${"**/*a*a*a/".repeat(50)}b`])
    assert.equal(new PathGlob(pattern).matches(`${path}c`), false);
  assert.ok(performance.now() - started < 2000);
});
