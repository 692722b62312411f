// House rules for tests: all of them run, everywhere, without reaching beyond their temporary directory.

import assert from "node:assert/strict";
import { test } from "node:test";
import { listSourceFiles, readProjectFile } from "./project-files.ts";
import { readSyntax } from "./source-syntax.ts";

const sources = listSourceFiles().filter((path) => path.startsWith("test/"));
const testFiles = sources.filter((path) => path.endsWith(".test.ts"));

test("tests: every test file has a test", () => {
  assert.deepEqual(
    testFiles.filter((path) => readSyntax(path).testCount === 0),
    [],
  );
});

test("tests: none is skipped, singled out or still to do", () => {
  const escapes = testFiles.flatMap((path) => readSyntax(path).escapeLines.map((line) => `${path}:${line}`));
  assert.deepEqual(escapes, []);
});

test("tests: every test file asserts something", () => {
  assert.deepEqual(
    testFiles.filter((path) => !/\bassert|\bfc\.assert|expect/.test(readProjectFile(path))),
    [],
  );
});

test("tests: temporary files are made below os.tmpdir(), where the runner finds what is left behind", () => {
  const fixed = sources.filter((path) => /["'`]\/(var\/)?tmp\//.test(readProjectFile(path)));
  assert.deepEqual(fixed, []);
});
