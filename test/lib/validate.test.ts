// Holding a book or a directory against a profile.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { planFixes } from "../../lib/path-fixes.ts";
import { validateBook, validateDirectory } from "../../lib/validate.ts";
import { parseProfile } from "../../schema/profiles.ts";
import { alice, BOOK, placeOf, save, withStore } from "./test-store.ts";

const strict = parseProfile("strict");

test("FR-010: every violation of a book is reported, with a suggestion where one is free", async () => {
  await withStore("any", ({ worktree, reader }) => {
    save(worktree, "content/01-Part/01-Chapter/01-fine.md", "");
    save(worktree, "content/01-Part/01-Chapter/1 fine.md", "");
    save(worktree, "content/01-Part/01-Chapter/2_other.md", "");
    save(worktree, "notes.md", "");
    const { parent, name } = placeOf(worktree, "static/img/link.png");
    worktree.makeSymlink(parent, name, Buffer.from("x.png"), alice);
    assert.deepEqual([...validateBook(reader, BOOK)], []);
    const found = [...validateBook(reader, BOOK, strict)];
    assert.deepEqual(
      found.map(({ path, suggestion }) => [path, suggestion]),
      [
        ["content/01-Part/01-Chapter/1 fine.md", null],
        ["content/01-Part/01-Chapter/2_other.md", "content/01-Part/01-Chapter/02-other.md"],
        ["notes.md", null],
        ["static/img/link.png", null],
      ],
    );
    assert.ok(found.every(({ reason }) => reason.endsWith(".")));
  });
});

test("FR-010: a directory on disk is held against a profile as an import would, and nothing is written", async () => {
  await withStore("any", async ({ folder }) => {
    const source = join(folder, "source");
    mkdirSync(source);
    writeFileSync(join(source, "README.md"), "");
    execFileSync("mkfifo", [join(source, "pipe")]);
    const found = await validateDirectory(source, strict);
    assert.deepEqual(
      found.map(({ path }) => path),
      [join(source, "pipe"), "README.md"],
    );
  });
});

test("FR-010: a violation is mended only where its suggestion is its own", async () => {
  await withStore("any", ({ worktree, reader }) => {
    for (const name of ["1 one.md", "1_one.md", "2 two.md", "notes.txt"])
      save(worktree, `content/01-Part/01-Chapter/${name}`, "");
    const fixes = planFixes([...validateBook(reader, BOOK, strict)]);
    assert.deepEqual(
      fixes.map((fix) => [fix.violation.path.split("/").at(-1), fix.to, fix.to === null ? fix.reason : ""]),
      [
        ["1 one.md", null, "More than one file would become content/01-Part/01-Chapter/01-one.md."],
        ["1_one.md", null, "More than one file would become content/01-Part/01-Chapter/01-one.md."],
        ["2 two.md", "content/01-Part/01-Chapter/02-two.md", ""],
        ["notes.txt", null, "No valid name near it is free, or nobody can tell which is meant."],
      ],
    );
  });
});
