// pfs show, diff, restore and manifest, with and without a daemon: for people, for scripts and for `git apply`.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { hash } from "node:crypto";
import { cp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execute, PFS, withPlace } from "./harness.ts";
import { importFiles, withAndWithoutDaemon } from "./imported.ts";

function jsonLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

test("show: a file's bytes as they were, large and binary ones too; with --json what is known of it", () =>
  withAndWithoutDaemon(async (place) => {
    const { pfs, run, env } = place;
    const large = Buffer.alloc(400_000, 7);
    await importFiles(place, { "d/a.md": "one\r\n", "large.bin": large });
    await importFiles(place, { "d/a.md": "two", "large.bin": "small" });
    assert.equal(await pfs("show", "my-book", "2", "d/a.md"), "one\r\n");
    assert.equal(await pfs("show", "my-book", "0s", "./d/a.md"), "two");
    const { stdout } = await new Promise<{ stdout: Buffer }>((resolve, reject) => {
      const words = [PFS, "show", "my-book", "2", "large.bin"];
      const options = { env, encoding: "buffer", maxBuffer: 1 << 20 } as const;
      execFile(process.execPath, words, options, (error, out) =>
        error ? reject(error) : resolve({ stdout: out }),
      );
    });
    assert.ok(stdout.equals(large));
    const [known] = jsonLines(await pfs("show", "my-book", "2", "d/a.md", "--json"));
    assert.deepEqual(
      [known?.path, known?.sha256, known?.size, known?.position],
      ["d/a.md", hash("sha256", "one\r\n"), 5, 2],
    );
    for (const [reference, path, said] of [
      ["2", "d", /^pfs: d was a directory in my-book at position 2\.\n/],
      [
        "0",
        "d/a.md",
        /^pfs: There was no d\/a\.md in my-book at position 0\.\n {2}`pfs log my-book d\/a\.md`/,
      ],
      ["77", "d/a.md", /^pfs: The book my-book has no state 77\.\n {2}Its log goes from position 1 /],
    ] as const) {
      const outcome = await run("show", "my-book", reference, path);
      assert.match(outcome.stderr, said);
      assert.deepEqual([outcome.code, outcome.stdout], [1, ""]);
    }
  }));

test("diff: `git apply` makes one state of the other; exit code 0, 1 or 2 as diff(1)", () =>
  withPlace(async (place) => {
    const { pfs, run, top, dir } = place;
    const lines = Array.from({ length: 30 }, (_, index) => `line ${index}`);
    await importFiles(place, {
      "content/a b.md": `${lines.join("\n")}\n`,
      "content/crlf.md": "one\r\ntwo\r\nthree",
      "content/gone.md": "gone\n",
      'content/"quoted".md': "x\n",
      "content/latin1.txt": Buffer.from("caf\xe9\n", "latin1"),
      "content/moved.md": "moved\n",
      "content/same.md": "same\n",
      "run.sh": "#!/bin/sh\n",
    });
    const from = (await place.status()).seq || 8;
    await pfs("mount", "my-book", dir);
    const export_ = async (name: string): Promise<string> => {
      await pfs("export", "my-book", join(top, name));
      return join(top, name);
    };
    const before = await export_("before");
    lines[3] = "changed";
    lines.splice(20, 2);
    await writeFile(join(dir, "content/a b.md"), lines.join("\n"));
    await writeFile(join(dir, "content/crlf.md"), "one\r\n2\r\nthree");
    await rm(join(dir, "content/gone.md"));
    await writeFile(join(dir, 'content/"quoted".md'), "y\n");
    await writeFile(join(dir, "content/latin1.txt"), Buffer.from("caf\xe8\n", "latin1"));
    await rename(join(dir, "content/moved.md"), join(dir, "content/to here.md"));
    await writeFile(join(dir, "content/new.md"), "new\n");
    await execute("chmod", ["755", join(dir, "run.sh")]);
    const outcome = await run("diff", "my-book", String(from));
    assert.equal(outcome.code, 1, outcome.stderr);
    const after = await export_("after");

    await pfs("umount", dir);
    await pfs("stop");
    const patch = execFileSync(
      "bash",
      ["-c", `"$0" "$1" diff my-book ${from} || test $? = 1`, process.execPath, PFS],
      { env: place.env },
    );
    await writeFile(join(top, "patch"), patch);
    await cp(before, join(top, "patched"), { recursive: true });
    await execute("git", ["init", "-q"], process.env, join(top, "patched"));
    const applied = await execute(
      "git",
      ["apply", "-p1", join(top, "patch")],
      process.env,
      join(top, "patched"),
    );
    assert.deepEqual([applied.code, applied.stderr], [0, ""], patch.toString("latin1"));
    await rm(join(top, "patched/.git"), { recursive: true });
    const compared = await execute("diff", ["-r", join(top, "patched"), after]);
    assert.deepEqual([compared.code, compared.stdout], [0, ""]);
    assert.match(
      patch.toString("latin1"),
      /^rename from content\/moved\.md\nrename to content\/to here\.md$/m,
    );
    assert.match(patch.toString("latin1"), /^old mode 100644\nnew mode 100755$/m);
    assert.equal((await run("diff", "my-book", "0s")).code, 0);
    assert.equal((await run("diff", "my-book", String(from), String(from))).code, 0);
    assert.equal((await run("diff", "my-book", "no")).code, 2);
    assert.equal((await run("diff", "my-book", "9999")).code, 2);
    assert.equal((await run("diff", "my-book", String(from), "nowhere.md")).code, 2);
    const [changed, ...others] = jsonLines(
      (await run("diff", "my-book", String(from), "content/a b.md", "--json")).stdout,
    );
    assert.deepEqual([changed?.path, changed?.change, others.length], ["content/a b.md", "modified", 0]);
    const kinds = jsonLines((await run("diff", "my-book", String(from), "content", "--json")).stdout);
    assert.deepEqual(
      kinds.map(({ path, change }) => `${change} ${path}`),
      [
        'modified content/"quoted".md',
        "modified content/a b.md",
        "modified content/crlf.md",
        "deleted content/gone.md",
        "modified content/latin1.txt",
        "added content/new.md",
        "renamed content/to here.md",
      ],
    );
  }));

test("diff: backwards it is the way back; colours when they are asked for, never with NO_COLOR or into a pipe", () =>
  withPlace(async (place) => {
    const { run, env } = place;
    await importFiles(place, { "a.md": "one\n", "b.bin": Buffer.from([0, 1]) });
    await importFiles(place, { "a.md": "two\n", "b.bin": Buffer.from([0, 2]) });
    const forth = await run("diff", "my-book", "2", "4");
    const header = "diff --git a/a.md b/a.md\n--- a/a.md\n+++ b/a.md\n@@ -1 +1 @@\n";
    const binary = "diff --git a/b.bin b/b.bin\nBinary files a/b.bin and b/b.bin differ\n";
    assert.equal(forth.stdout, `${header}-one\n+two\n${binary}`);
    assert.equal((await run("diff", "my-book", "4", "2")).stdout, `${header}-two\n+one\n${binary}`);
    const colored = (await run("diff", "my-book", "2", "4", "a.md", "--color", "always")).stdout;
    assert.match(colored, /\u001b\[31m-one\u001b\[39m\n\u001b\[32m\+two\u001b\[39m\n$/);
    const onTerminal = async (extra: NodeJS.ProcessEnv): Promise<string> => {
      const command = `'${process.execPath}' '${PFS}' diff my-book 2 4 a.md`;
      return (await execute("script", ["-qec", command, "/dev/null"], { ...env, ...extra })).stdout;
    };
    assert.match(await onTerminal({ NO_COLOR: "" }), /\u001b\[32m\+two/);
    assert.ok(!(await onTerminal({ NO_COLOR: "1" })).includes("\u001b["));
  }));

test("restore: says what it did, shows on a mount at once, is in the log; the same without a daemon", () =>
  withPlace(async (place) => {
    const { pfs, run, dir } = place;
    await importFiles(place, { "d/a.md": "one\n", "d/b.md": "b\n", "c.md": "c\n" });
    await pfs("mount", "my-book", dir, "-o", "agent=alice");
    await writeFile(join(dir, "d/a.md"), "two\n");
    await rm(join(dir, "d/b.md"));
    await writeFile(join(dir, "d/new.md"), "new\n");
    assert.deepEqual((await readdir(join(dir, "d"))).sort(), ["a.md", "new.md"]);
    const said = await pfs("restore", "my-book", "3", join(dir, "d"), "--agent", "bob");
    assert.match(
      said,
      /^updated {4}d\/a\.md\nrecreated {2}d\/b\.md\nremoved {4}d\/new\.md\nAs at position 3 \(20.*\): 1 updated, 1 recreated, 1 removed, 0 unchanged\.\n$/,
    );
    assert.equal(await readFile(join(dir, "d/a.md"), "utf8"), "one\n");
    assert.deepEqual((await readdir(join(dir, "d"))).sort(), ["a.md", "b.md"]);
    const [row] = jsonLines(await pfs("log", "my-book", "d/b.md", "--json"));
    assert.deepEqual([row?.operation, row?.agent_id, row?.command], ["create", "bob", "pfs"]);
    await writeFile(join(dir, "c.md"), "changed\n");
    await pfs("stop");
    const done = jsonLines(await pfs("restore", "my-book", "3", ".", "--json", "--agent", "carol"));
    assert.deepEqual(
      done.map(({ path, outcome }) => `${outcome} ${path}`),
      ["updated c.md", "unchanged d/a.md", "unchanged d/b.md"],
    );
    assert.equal(await pfs("show", "my-book", "0s", "c.md"), "c\n");
    assert.equal((await run("diff", "my-book", "3")).code, 0);
    for (const [said, ...words] of [
      [/^pfs: There was no x\.md in my-book at position 3\./, "3", "x.md"],
      [/^pfs: The path "\.\.\/x" has/, "3", "../x"],
      [/^pfs: The book my-book has no state 99\./, "99", "c.md"],
    ] as const) {
      const outcome = await run("restore", "my-book", ...words);
      assert.match(outcome.stderr, said);
      assert.equal(outcome.code, 1);
    }
    await pfs("verify");
  }));

test("restore: refuses while a program on a mount has unsaved changes of the file", () =>
  withPlace(async (place) => {
    const { pfs, run, dir } = place;
    await importFiles(place, { "a.md": "one\n" });
    await pfs("mount", "my-book", dir);
    await writeFile(join(dir, "a.md"), "two\n");
    // Another process: one that starts programs closes its descriptors in them, and a close is a save.
    const script = `const fs = require("node:fs");
      fs.writeSync(fs.openSync(${JSON.stringify(join(dir, "a.md"))}, "r+"), "draft", 0);
      console.log("written"); setInterval(() => {}, 1000);`;
    const writer = place.start("-e", script);
    await writer.until(/written/);
    const { code, stderr } = await run("restore", "my-book", "1", "a.md");
    assert.match(
      stderr,
      /^pfs: Somebody is writing a\.md, and has not saved it yet\.\n {2}Nothing was restored\./,
    );
    assert.equal(code, 1);
    writer.child.kill();
    await writer.exit;
    assert.equal(await readFile(join(dir, "a.md"), "utf8"), "draft");
    await pfs("restore", "my-book", "1", "a.md");
    assert.equal(await readFile(join(dir, "a.md"), "utf8"), "one\n");
  }));

test("manifest: sha256sum of its lines is the manifest hash, which names the state from then on, after a restart too", () =>
  withAndWithoutDaemon(async (place) => {
    const { pfs, run } = place;
    await importFiles(place, { "b.md": "b", "a/x.md": "x" });
    const lines = await pfs("manifest", "my-book");
    assert.equal(lines, `a/x.md:${hash("sha256", "x")}\nb.md:${hash("sha256", "b")}\n`);
    const manifestHash = hash("sha256", lines);
    assert.equal(await pfs("manifest", "my-book", "--hash"), `${manifestHash}\n`);
    await importFiles(place, { "b.md": "changed" });
    assert.deepEqual(jsonLines(await pfs("manifest", "my-book", manifestHash.slice(0, 8), "--json")), [
      { book: "my-book", position: 2, manifest_hash: manifestHash, files: 2 },
    ]);
    assert.equal(await pfs("show", "my-book", manifestHash, "b.md"), "b");
    assert.equal(await pfs("manifest", "my-book", "0"), "");
    assert.equal((await run("diff", "my-book", manifestHash.slice(0, 9))).code, 1);
  }));
