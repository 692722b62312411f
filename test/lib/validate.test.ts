// Holding a book or a directory against a profile.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
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
