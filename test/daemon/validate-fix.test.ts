// `pfs validate --fix`: a book that breaks its schema, and a directory before its import.

import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import Sqlite from "better-sqlite3";
import { type Place, withPlace } from "./harness.ts";

const CHAPTER = "content/01-Part/01-Chapter";

/** The names below `source/content`; two of them would get one name. */
const FILES = [
  "content/01-Part/01-Chapter/01-fine.md",
  "content/01-Part/01-Chapter/2 Second Lesson.md",
  "content/01-Part/01-Chapter/3_third.md",
  "content/01-Part/01-Chapter/3 third.md",
  "content/2 Part/4_Chapter/04-lesson.md",
  "content/README.md",
];
const LEFT = [
  "content/01-Part/01-Chapter/3 third.md",
  "content/01-Part/01-Chapter/3_third.md",
  "content/README.md",
];

function makeSource(top: string): string {
  const source = join(top, "source");
  for (const path of FILES) {
    mkdirSync(join(source, path, ".."), { recursive: true });
    writeFileSync(join(source, path), path);
  }
  return source;
}

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.parentPath.includes("/.pfs"))
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
    .sort();

const lines = (text: string): Record<string, unknown>[] =>
  text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/**
 * A book whose files were there before its schema: nothing lets one in that breaks it (R1), but a store may have been written
 * by a pfs whose profile of that name was wider, or its schema may have been changed since.
 */
async function makeOutgrown({ pfs, top, store }: Place): Promise<void> {
  await pfs("init", "my-book", "--schema", "any");
  await pfs("import", "my-book", makeSource(top));
  const database = new Sqlite(join(store, "pfs.db"));
  database.prepare("UPDATE book SET profile = ?").run(JSON.stringify("strict"));
  database.close();
}

test("FR-010, R1: --fix renames what has no place in a book's schema, through the daemon: logged, checked, same inode", () =>
  withPlace(async (place) => {
    const { pfs, run, dir } = place;
    await makeOutgrown(place);
    const verified = await run("verify");
    assert.equal(verified.code, 1, "verify tells of it, too");
    assert.match(verified.stdout, /R1 .*README\.md/);
    await pfs("mount", "my-book", dir, "-o", "agent=alice");
    const inode = statSync(join(dir, "content/2 Part/4_Chapter/04-lesson.md")).ino;

    const plain = await run("validate", "my-book");
    assert.equal(plain.code, 1);
    assert.match(plain.stdout, /\n5 paths of my-book have no place in the schema strict\.\n$/);
    const dry = await run("validate", "my-book", "--fix", "--dry-run");
    assert.equal(dry.code, 1);
    assert.match(
      dry.stdout,
      /^Would rename content\/2 Part\/4_Chapter\/04-lesson\.md to content\/02-Part\/04-Chapter\/04-lesson\.md\.$/m,
    );
    assert.deepEqual(filesBelow(dir), [...FILES].sort());

    const fixed = await run("validate", "my-book", "--fix", "--agent", "fixer", "--json");
    assert.equal(fixed.code, 1, "something is left");
    assert.deepEqual(
      lines(fixed.stdout).map(({ path, outcome, left_because: why }) => [path, outcome, why]),
      [
        [`${CHAPTER}/2 Second Lesson.md`, "renamed", null],
        [`${CHAPTER}/3 third.md`, "left", `More than one file would become ${CHAPTER}/03-third.md.`],
        [`${CHAPTER}/3_third.md`, "left", `More than one file would become ${CHAPTER}/03-third.md.`],
        ["content/2 Part/4_Chapter/04-lesson.md", "renamed", null],
        ["content/README.md", "left", "No valid name near it is free, or nobody can tell which is meant."],
      ],
    );
    const moved = "content/02-Part/04-Chapter/04-lesson.md";
    assert.equal(statSync(join(dir, moved)).ino, inode, "I1");
    assert.equal(readFileSync(join(dir, moved), "utf8"), "content/2 Part/4_Chapter/04-lesson.md");
    assert.equal(existsSync(join(dir, "content/2 Part")), false);
    assert.deepEqual(
      filesBelow(dir),
      [...LEFT, `${CHAPTER}/01-fine.md`, `${CHAPTER}/02-Second-Lesson.md`, moved].sort(),
    );
    const [row] = lines(await pfs("log", "my-book", moved, "--json"));
    assert.deepEqual(
      [row?.operation, row?.agent_id, row?.prev_path],
      ["rename", "fixer", "content/2 Part/4_Chapter/04-lesson.md"],
    );

    // Somebody decides about the rest.
    await pfs("stop");
    const again = await run("validate", "my-book", "--fix");
    assert.equal(again.code, 1);
    assert.match(again.stdout, /\n3 paths of my-book have no place in the schema strict\.\n$/);
  }));

test("FR-010: --fix renames the files of a directory with rename(2); --dry-run only says so", () =>
  withPlace(async ({ run, top }) => {
    const source = join(makeSource(top), "content");
    const inode = statSync(join(source, "2 Part/4_Chapter/04-lesson.md")).ino;
    const dry = await run("validate", source, "--into", "content/", "--dry-run", "--json");
    assert.equal(dry.code, 1);
    assert.equal(lines(dry.stdout).filter(({ outcome }) => outcome === "planned").length, 2);
    assert.deepEqual(filesBelow(join(top, "source")), [...FILES].sort());
    const fixed = await run("validate", source, "--into", "content/", "--fix");
    assert.equal(fixed.code, 1);
    assert.match(
      fixed.stdout,
      /^Renamed content\/01-Part\/01-Chapter\/2 Second Lesson\.md to .*02-Second-Lesson\.md\.$/m,
    );
    assert.match(
      fixed.stdout,
      /^Left content\/README\.md: .*\n3 paths of .* have no place in the schema strict\.\n$/ms,
    );
    assert.equal(statSync(join(source, "02-Part/04-Chapter/04-lesson.md")).ino, inode);
    assert.equal(existsSync(join(source, "2 Part")), false, "what is emptied goes");

    // The names are free by now: a directory in the way keeps one back, nothing is replaced.
    mkdirSync(join(source, "01-Part/01-Chapter/05-x.md"));
    writeFileSync(join(source, "01-Part/01-Chapter/5 x.md"), "five");
    const blocked = await run("validate", source, "--into", "content/", "--fix", "--json");
    assert.match(
      String(lines(blocked.stdout).find(({ path }) => String(path).endsWith("5 x.md"))?.left_because),
      /^There is something at .*05-x\.md/,
    );
    assert.equal(readFileSync(join(source, "01-Part/01-Chapter/5 x.md"), "utf8"), "five");
    for (const path of LEFT.map((each) => join(top, "source", each))) writeFileSync(path, "");
    const whole = await run("validate", join(source, "02-Part"), "--into", "content/02-Part", "--fix");
    assert.deepEqual(
      [whole.code, whole.stdout],
      [0, `Every path of ${join(source, "02-Part")} fits the schema strict.\n`],
    );
  }));
