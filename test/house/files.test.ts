// House rules for files: their names, their size, what may never be in them.

import assert from "node:assert/strict";
import { test } from "node:test";
import { listProjectFiles, listSourceFiles, readProjectFile } from "./project-files.ts";
import { readSyntax } from "./source-syntax.ts";

const MAX_LINES = 400;
const KEBAB_PATH = /^([a-z0-9]+(-[a-z0-9]+)*\/)*[a-z0-9]+(-[a-z0-9]+)*(\.[a-z]+)?\.[cm]?[jt]s$/;
const sources = listSourceFiles();
const texts = listProjectFiles().filter((path) =>
  /(\.(ts|js|json|md|sql|yaml|yml|sh|service|conf)|\/run|^\.[a-z]+)$/.test(path),
);

/** `path:line` of every line that matches. */
function listMatches(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((path) =>
    readProjectFile(path)
      .split("\n")
      .flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
  );
}

test("files: names are in kebab case", () => {
  assert.deepEqual(
    sources.filter((path) => !KEBAB_PATH.test(path)),
    [],
  );
});

test(`files: no source file is longer than ${MAX_LINES} lines`, () => {
  const long = sources
    .map((path) => ({ path, lines: readProjectFile(path).split("\n").length - 1 }))
    .filter(({ lines }) => lines > MAX_LINES);
  assert.deepEqual(long, []);
});

test("files: every source file begins with a comment that says what it owns", () => {
  const bare = sources.filter((path) => !/^(#!.*\n)?(\/\/|\/\*)/.test(readProjectFile(path)));
  assert.deepEqual(bare, []);
});

test("files: migrations are numbered from 1 on, without a gap and each number once, in each directory", () => {
  for (const directory of ["", "postgresql/", "shared-directory/"]) {
    const pattern = new RegExp(`^schema/migrations/${directory}(\\d{4})-`);
    const numbers = listProjectFiles().flatMap((path) => pattern.exec(path)?.[1] ?? []);
    assert.ok(numbers.length > 0, directory);
    assert.deepEqual(
      numbers.map(Number).sort((a, b) => a - b),
      numbers.map((_, at) => at + 1),
    );
  }
});

test("files: no default exports and no re-exports", () => {
  assert.deepEqual(
    sources.filter((path) => readSyntax(path).hasDefaultExport),
    [],
  );
  assert.deepEqual(
    sources.filter((path) => readSyntax(path).hasReExport),
    [],
  );
});

test("files: no command's failure is waved through", () => {
  assert.deepEqual(listMatches(texts, /\|\|\s*true\b/), []);
});

test("files: nothing names the machine it was written on", () => {
  assert.deepEqual(listMatches(texts, /(?<![\w.*/])\/(work|root|Users|tmp\/team)\//), []);
});

test("files: nothing names a package registry", () => {
  const all = [...texts, "package-lock.json"];
  assert.deepEqual(listMatches(all, /registry\.(npmjs|yarnpkg|npmmirror)|npm\.pkg\./), []);
});

test("files: the lock file names no place that packages came from", () => {
  assert.doesNotMatch(readProjectFile("package-lock.json"), /"resolved"/);
});
