// The sample book is what it is said to be: real-looking, under the strict schema, with the oddities of real books.

import assert from "node:assert/strict";
import { globSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { builtInProfile } from "../../schema/profiles.ts";
import { PROJECT_ROOT } from "./project-files.ts";

const BOOK = join(PROJECT_ROOT, "examples/sample-book");
const paths = globSync("**", { cwd: BOOK }).filter((path) => statSync(join(BOOK, path)).isFile());
const lessons = paths.filter((path) => path.endsWith(".md"));

function readText(path: string): string {
  return readFileSync(join(BOOK, path), "utf8");
}

test("FR-007, FR-008: every file of the sample book has its place in the strict schema", () => {
  const strict = builtInProfile("strict");
  assert.equal(paths.length, 40);
  assert.deepEqual(
    paths.filter((path) => !strict.matchesFile(path)),
    [],
  );
});

test("sample book: every lesson has front matter and a summary", () => {
  const frontMatter = /^\uFEFF?---\r?\ntitle: .+\r?\nsidebar_position: [0-9.]+\r?\n---\r?\n/;
  for (const path of lessons) {
    assert.match(readText(path), frontMatter, path);
    if (!path.endsWith(".summary.md")) assert.ok(paths.includes(path.replace(/\.md$/, ".summary.md")), path);
  }
});

test("sample book: what lessons refer to is there", () => {
  for (const path of lessons) {
    const withoutCode = readText(path).replace(/```.*?```/gs, "");
    const assets = [...withoutCode.matchAll(/\]\((?:pathname:\/\/)?(\/[^)]+)\)/g)].map(
      (found) => found[1] ?? "",
    );
    const neighbours = [...withoutCode.matchAll(/\]\(\.\/([^)]+)\)/g)].map((found) => found[1] ?? "");
    const named = [
      ...assets.map((name) => `static${name}`),
      ...neighbours.map((name) => join(path, "..", name)),
    ];
    assert.deepEqual(
      named.filter((name) => !paths.includes(name)),
      [],
      path,
    );
  }
});

test("sample book: CRLF, missing final newlines and a BOM are in it, as in real books", () => {
  const texts = lessons.map(readText);
  assert.equal(texts.filter((text) => text.includes("\r\n")).length, 15);
  assert.equal(texts.filter((text) => !text.endsWith("\n")).length, 3);
  assert.equal(texts.filter((text) => text.startsWith("\uFEFF")).length, 1);
});
