// The thin line through every floor with the real command: a book is made, mounted in the background, saved to, and what
// was saved is in log, store and export.

import assert from "node:assert/strict";
import { appendFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, execute, isAlive, LESSON, SAMPLE, withPlace } from "./harness.ts";

test("import, mount, save, log, verify, export, umount, stop: every byte is where it should be", () =>
  withPlace(async ({ pfs, dir, top, status, store }) => {
    const imported = await pfs("import", "my-book", SAMPLE);
    assert.match(
      imported,
      /^Made the book my-book; its schema is strict: every file fits it\.\nImported 40 files /,
    );
    assert.match(
      await pfs("mount", "my-book", dir, "-o", "agent=alice"),
      /^Mounted my-book on .* agent alice\)\.\n$/,
    );

    const original = await readFile(join(SAMPLE, LESSON));
    assert.deepEqual(await readFile(join(dir, LESSON)), original);
    await appendFile(join(dir, LESSON), "One line more.\r\n");
    const [row] = jsonLines(await pfs("log", join(dir, LESSON), "--json", "-n", "1"));
    assert.deepEqual(
      [row?.agent_id, row?.operation, row?.path, row?.status],
      ["alice", "update", LESSON, "ok"],
    );
    assert.match(await pfs("verify"), /^The store is sound/);

    const { pid } = await status();
    await pfs("umount", dir);
    assert.deepEqual(await readdir(dir), []);
    assert.deepEqual((await status()).mounts, []);
    await pfs("stop");
    assert.equal(isAlive(Number(pid)), false);
    assert.equal((await readdir(store)).includes("pfsd.sock"), false);

    await pfs("export", "my-book", join(top, "copy"));
    const copy = await readFile(join(top, "copy", LESSON));
    assert.deepEqual(copy, Buffer.concat([original, Buffer.from("One line more.\r\n")]));
    await writeFile(join(top, "copy", LESSON), original);
    assert.equal((await execute("diff", ["-r", SAMPLE, join(top, "copy")])).stdout, "");
    assert.match(await pfs("verify"), /^The store is sound/);
  }));

test("what is imported or made while the book is mounted shows in the mount", () =>
  withPlace(async ({ pfs, dir, top, otherDir }) => {
    await pfs("init", "my-book", "--schema", "strict");
    await pfs("mount", "my-book", dir);
    await assert.rejects(stat(join(dir, LESSON)), { code: "ENOENT" });
    assert.match(await pfs("import", "my-book", SAMPLE), /40 created, 0 updated, 0 unchanged/);
    assert.deepEqual(await readFile(join(dir, LESSON)), await readFile(join(SAMPLE, LESSON)));
    assert.match(await pfs("import", "my-book", SAMPLE), /0 created, 0 updated, 40 unchanged/);

    await mkdir(join(top, "docs"));
    await writeFile(join(top, "docs/intro.md"), "# Intro\n");
    const made = await pfs("import", "site", join(top, "docs"), "--into", "content");
    assert.match(made, /schema is docusaurus, because strict has no place for content\/intro\.md/);
    const part = await pfs("import", "part", join(SAMPLE, "content"));
    assert.match(part, /schema is any, because .*\. With --into content it would be strict\.\n/);
    await pfs("mount", "site", otherDir, "-o", "ro");
    assert.equal(await readFile(join(otherDir, "content/intro.md"), "utf8"), "# Intro\n");
    await assert.rejects(writeFile(join(otherDir, "content/intro.md"), ""), { code: "EROFS" });
  }));

test("C1: two mounts of one book, with an agent each, see each other's saves", () =>
  withPlace(async ({ pfs, dir, otherDir }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir, "-o", "agent=alice");
    await pfs("mount", "my-book", otherDir, "-o", "agent=bob");
    for (let round = 0; round < 20; round++) {
      const [here, there] = round % 2 === 0 ? [dir, otherDir] : [otherDir, dir];
      await writeFile(join(here, LESSON), `round ${round}\n`);
      assert.equal(await readFile(join(there, LESSON), "utf8"), `round ${round}\n`);
    }
    const rows = jsonLines(await pfs("log", "my-book", LESSON, "--json", "-n", "2"));
    assert.deepEqual(
      rows.map(({ agent_id }) => agent_id),
      ["bob", "alice"],
    );
  }));

test("what was just removed or renamed is in the log when it is asked for", () =>
  withPlace(async ({ pfs, dir, status }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    await rm(join(dir, LESSON));
    const [removed] = jsonLines(await pfs("log", "my-book", LESSON, "--json", "-n", "1"));
    assert.equal(removed?.operation, "delete");
    const other = "content/01-Foundations/01-Plain-Text/02-markdown-in-practice.md";
    const moved = "content/01-Foundations/01-Plain-Text/03-markdown.md";
    await rename(join(dir, other), join(dir, moved));
    assert.match(await pfs("log", moved), /rename +\S+02-markdown-in-practice\.md → \S+03-markdown\.md/);
    assert.equal((await pfs("ls", "my-book")).includes(LESSON), false);
    const { seq } = await status();
    await rm(join(dir, moved));
    await eventually("a removed file is in the log without the log being asked for", async () => {
      return (await status()).seq > seq;
    });
  }));

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}
