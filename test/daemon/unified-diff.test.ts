// How two versions of a file are compared: as bytes, named only where lines make no sense, harmless on a terminal.

import assert from "node:assert/strict";
import { hash } from "node:crypto";
import { test } from "node:test";
import { MAX_COMPARED_BYTES, unifiedDiff, type Version } from "../../daemon/cli/unified-diff.ts";

const PLAIN = { color: false, terminal: false };

function version(path: string, text: string | Buffer, mode = 0o100644): Version {
  const bytes = Buffer.from(text as string);
  return {
    path,
    mode,
    sha256: hash("sha256", bytes),
    bytes: bytes.length > MAX_COMPARED_BYTES ? undefined : bytes,
  };
}

function diff(before: Version | undefined, after: Version | undefined, style = PLAIN): string {
  return unifiedDiff(before, after, style).toString("latin1");
}

test("bytes of any encoding, CRLF and missing final newlines are in the diff as they are in the file", () => {
  const old = version("a", Buffer.from("caf\xe9\r\nsame\r\nend", "latin1"));
  const current = version("a", Buffer.from("caf\xe8\r\nsame\r\nend\n", "latin1"));
  assert.equal(
    diff(old, current),
    "diff --git a/a b/a\n--- a/a\n+++ b/a\n@@ -1,3 +1,3 @@\n-caf\xe9\r\n+caf\xe8\r\n same\r\n-end\n\\ No newline at end of file\n+end\n",
  );
});

test("new, deleted, moved, and files of which only the mode changed", () => {
  assert.match(
    diff(undefined, version("n", "x\n")),
    /^new file mode 100644\n--- \/dev\/null\n\+\+\+ b\/n\n@@ -0,0 \+1 @@\n\+x\n$/m,
  );
  assert.match(
    diff(version("n", "x\n"), undefined),
    /^deleted file mode 100644\n--- a\/n\n\+\+\+ \/dev\/null\n@@ -1 \+0,0 @@\n-x\n$/m,
  );
  assert.equal(
    diff(version("old", "x"), version("new", "x", 0o100755)),
    "diff --git a/old b/new\nold mode 100644\nnew mode 100755\nrename from old\nrename to new\n",
  );
  assert.equal(diff(undefined, version("empty", "")), "diff --git a/empty b/empty\nnew file mode 100644\n");
});

test("names with blanks, quotes and other alphabets are written as git reads them", () => {
  const text = diff(version('a "b" c.md', "1\n"), version('a "b" c.md', "2\n"));
  assert.match(text, /^--- "a\/a \\"b\\" c\.md"\t$/m);
  const other = unifiedDiff(version("über.md", "1\n"), version("über.md", "2\n"), PLAIN).toString("utf8");
  assert.match(other, /^\+\+\+ b\/über\.md$/m);
});

test("binary files, and those that are too large to be compared by line, are named only", () => {
  assert.match(diff(version("a", "\0"), version("a", "\0\0")), /^Binary files a\/a and b\/a differ\n$/m);
  const large = version("a", Buffer.alloc(MAX_COMPARED_BYTES + 1, "x\n"));
  assert.equal(diff(version("a", "x"), large), "diff --git a/a b/a\nFiles a/a and b/a differ\n");
  assert.equal(
    diff(large, { ...large, mode: 0o100755 }),
    "diff --git a/a b/a\nold mode 100644\nnew mode 100755\n",
  );
});

test("on a terminal nothing that is in a file can steer it; tabs stay", () => {
  const shown = unifiedDiff(version("a", "x\n"), version("a", "\u001b[2J\ty\n"), {
    color: true,
    terminal: true,
  });
  const [, added] = /\n(\u001b\[32m\+.*)\n$/.exec(shown.toString("utf8")) ?? [];
  assert.equal(added, "\u001b[32m+\\u{1b}[2J\ty\u001b[39m");
});

test("on a terminal line ends of CRLF show only where they are what was changed", () => {
  const terminal = { color: false, terminal: true };
  const changesOf = (before: string, after: string): string[] =>
    diff(version("a", before), version("a", after), terminal).split("\n").slice(4);
  assert.deepEqual(changesOf("same\r\nold\r\n", "same\r\nnew\r\nmore\n"), [
    " same",
    "-old",
    "+new",
    "+more",
    "",
  ]);
  assert.deepEqual(changesOf("x\n", "x\r\n"), ["-x", "+x\\u{d}", ""]);
  assert.deepEqual(changesOf("x\r\n", "x\n"), ["-x\\u{d}", "+x", ""]);
  assert.deepEqual(changesOf("x\r\r\n", "y\n"), ["-x\\u{d}", "+y", ""]);
});
