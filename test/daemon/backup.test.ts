// `pfs backup` and `pfs restore-backup` as commands: beside a daemon at work, by file and by pipe, and what they refuse.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { execute, LESSON, PFS, SAMPLE, withPlace } from "./harness.ts";

test("backup: beside a daemon while a program saves; restored, the book is there with its log, and mounts", () =>
  withPlace(async (place) => {
    const { pfs, run, top, store, dir, start } = place;
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir, "-o", "agent=ann");
    await writeFile(join(dir, LESSON), "before\n");
    const writer = start(
      "-e",
      `for (let at = 0; ; at++) {
         require("node:fs").writeFileSync(process.argv[1], "save " + at);
         require("node:fs").writeSync(1, at + "\\n");
       }`,
      join(dir, LESSON),
    );
    await writer.until(/^3$/);
    const file = join(top, "backup.tar");
    assert.match(
      await pfs("backup", file),
      /^Backed up the store up to row [0-9]+ in .*backup\.tar: 4 files, /,
    );
    writer.child.kill("SIGKILL");
    await writer.exit;
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(
      readdirSync(top).filter((name) => name.startsWith(".")),
      [],
    );
    const again = await run("backup", file);
    assert.deepEqual(
      [again.code, again.stderr],
      [1, `pfs: ${file} is there already.\n  Name another file, or replace it with --force.\n`],
    );
    const refused = await run("restore-backup", file);
    assert.match(
      refused.stderr,
      /^pfs: There is a store in .*; a backup is restored to a new directory only\.\n/,
    );
    assert.equal(refused.code, 1);
    await pfs("stop");
    execFileSync("mv", [store, join(top, "old")]);
    assert.match(await pfs("restore-backup", file), /^Restored .*store as it was at .*, up to row [0-9]+ /);
    assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
    await pfs("mount", "my-book", dir, "-o", "agent=ann");
    assert.match(await readFile(join(dir, LESSON), "utf8"), /^save [0-9]+$/);
    await writeFile(join(dir, LESSON), "after\n");
    assert.match(await pfs("log", "my-book", LESSON), /ann/);
  }));

test("backup: by pipe; --json; a damaged store ends with 3, what is no backup with 1 and nothing left", () =>
  withPlace(async ({ pfs, run, env, top, store }) => {
    await pfs("init", "my-book", "--schema", "any");
    const line = `"$0" "$1" --json backup - 2> "$2/said" | "$0" "$1" --json --store "$2/copy" restore-backup -`;
    const piped = await execute("bash", ["-c", line, process.execPath, PFS, top], env);
    assert.deepEqual([piped.stderr, piped.code], ["", 0]);
    const { seq, errors, files } = JSON.parse(piped.stdout);
    assert.deepEqual({ seq, errors }, { seq: 0, errors: [] });
    const said = JSON.parse(await readFile(join(top, "said"), "utf8"));
    assert.deepEqual([said.file, said.files, said.errors], [null, files, []]);
    await writeFile(join(top, "bad.tar"), "x".repeat(2000));
    const bad = await run("--store", join(top, "new"), "restore-backup", join(top, "bad.tar"));
    assert.match(bad.stderr, /^pfs: .*bad\.tar is no whole backup: /);
    const none = await run("--store", join(top, "new"), "restore-backup", join(top, "none.tar"));
    assert.match(none.stderr, /none\.tar cannot be read: there is no such file\./);
    assert.deepEqual([bad.code, none.code], [1, 1]);
    await mkdir(join(top, "in"));
    await writeFile(join(top, "in", "large.png"), Buffer.alloc(200_000));
    await pfs("import", "my-book", join(top, "in"));
    const objects = join(store, "objects");
    const [folder] = readdirSync(objects);
    const [object] = readdirSync(join(objects, folder as string));
    await writeFile(join(objects, folder as string, object as string), "damaged");
    const damaged = await run("backup", join(top, "damaged.tar"));
    assert.equal(damaged.code, 3);
    assert.match(
      damaged.stderr,
      /^pfs: The bytes of large\.png .*\npfs: The store is damaged, and so is this backup: /,
    );
    assert.equal(
      (await run("--store", join(top, "new"), "restore-backup", join(top, "damaged.tar"))).code,
      1,
    );
    assert.ok(!readdirSync(top).includes("new"));
  }));
