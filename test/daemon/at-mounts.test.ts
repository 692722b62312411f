// Mounts of the past (-o at=REF) through the real kernel: what programs read is what was, and nothing can be written.

import assert from "node:assert/strict";
import {
  cp,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { mountState } from "../../mount/kernel/mount-table.ts";
import { execute, LESSON, type Place, SAMPLE, withPlace } from "./harness.ts";

async function shell(dir: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await execute(
    "bash",
    ["-c", `set -euo pipefail; ${script}`],
    process.env,
    dir,
  );
  assert.equal(code, 0, `${script}: ${stderr}`);
  return stdout;
}

/** Every file with mode, size, mtime and hash, as programs see it. */
function listing(dir: string): Promise<string> {
  return shell(
    dir,
    `find . -path ./.pfs -prune -o ! -type d -printf '%p %y %m %s %T@ %l\n' | sort
     find . -path ./.pfs -prune -o -type f -print0 | sort -z | xargs -0 sha256sum`,
  );
}

/** A book whose every file has been changed, moved or removed since the position that is returned. */
async function changedBook({ pfs, dir, status }: Place): Promise<{ seq: number; then: string }> {
  await pfs("import", "my-book", SAMPLE, "--schema", "any");
  await pfs("mount", "my-book", dir);
  await writeFile(join(dir, "large.bin"), Buffer.alloc(3_000_000, "0123456789"));
  await writeFile(join(dir, "run.sh"), "#!/bin/sh\n", { mode: 0o755 });
  await utimes(join(dir, "run.sh"), 5, 1234.5);
  await symlink("large.bin", join(dir, "link"));
  const { seq } = await status();
  const then = await listing(dir);
  await rename(join(dir, "content/01-Foundations"), join(dir, "content/04-Foundations"));
  await writeFile(join(dir, "large.bin"), "small by now");
  await rm(join(dir, "static"), { recursive: true });
  await rm(join(dir, "link"));
  await writeFile(join(dir, "run.sh"), "#!/bin/bash\n");
  await writeFile(join(dir, "since.md"), "since");
  return { seq, then };
}

test("time travel: ls, find, cat, grep, stat, mmap and cp on a mount of the past show what was, whatever happens meanwhile", () =>
  withPlace(async (place) => {
    const { pfs, dir, otherDir } = place;
    const { seq, then } = await changedBook(place);
    const said = await pfs("mount", "my-book", otherDir, "-o", `at=${seq}`);
    assert.match(said, new RegExp(`\\(ro,at=${seq}, agent .*\\) as it was at position ${seq}, 20`));
    assert.equal(await listing(otherDir), then);
    assert.equal(await shell(otherDir, "ls"), "content\nlarge.bin\nlink\nrun.sh\nstatic\n");
    assert.equal(await shell(otherDir, "ls content | head -n 1"), "01-Foundations\n");
    assert.equal(await shell(otherDir, "cat run.sh; ./run.sh"), "#!/bin/sh\n");
    assert.equal(await shell(otherDir, "wc -c < link"), "3000000\n");
    const hits = await shell(otherDir, "grep -rl 'plain text' content static | sort");
    assert.match(hits, new RegExp(`^${LESSON}$`, "m"));
    const mapped = await shell(
      otherDir,
      `python3 -c 'import mmap; f = open("large.bin", "rb"); m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ); print(m[2999990:].decode(), len(m))'`,
    );
    assert.equal(mapped, "0123456789 3000000\n");
    const [lesson, directory, again] = await Promise.all([
      stat(join(otherDir, LESSON)),
      stat(join(otherDir, "content")),
      stat(join(otherDir, "content")),
    ]);
    const moved = await stat(join(dir, LESSON.replace("01-Foundations", "04-Foundations")));
    assert.equal(lesson.ino, moved.ino, "I1: inode numbers of the past are the files' identities");
    assert.ok(directory.ino > 2 ** 32 && directory.ino === again.ino);
    await writeFile(
      join(dir, LESSON.replace("01-Foundations", "04-Foundations")),
      "changed while it is mounted",
    );
    await pfs("restore", "my-book", String(seq), "large.bin");
    assert.equal(await listing(otherDir), then);
    // W1: who read the past has not read an older version of what there is now.
    await shell(otherDir, `cp run.sh '${join(dir, "run.sh")}'`);
    assert.equal(await shell(dir, "cat run.sh"), "#!/bin/sh\n");
    await shell(otherDir, `cp -a . '${join(place.top, "copy")}'`);
    const status = JSON.parse(await readFile(join(otherDir, ".pfs/status.json"), "utf8"));
    const shown = status.mounts.find(({ directory }: { directory: string }) => directory === otherDir);
    assert.deepEqual([shown.read_only, shown.at, shown.position], [true, String(seq), seq]);
    assert.match(shown.position_time, /^20.*Z$/);
  }));

test("READ_ONLY: every write on a mount of the past is EROFS", () =>
  withPlace(async ({ pfs, otherDir }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", otherDir, "-o", "at=0s");
    const at = (path: string): string => join(otherDir, path);
    const attempts: (() => Promise<unknown>)[] = [
      () => writeFile(at("content/new.md"), "x"),
      () => writeFile(at(LESSON), "x"),
      () => writeFile(at(LESSON), "x", { flag: "a" }),
      () => truncate(at(LESSON), 0),
      () => rm(at(LESSON)),
      () => rename(at(LESSON), at(`${LESSON}.bak`)),
      () => mkdir(at("content/05-New")),
      () => symlink("x", at("content/link")),
      () => utimes(at(LESSON), 1, 1),
      () => shell(otherDir, `chmod 600 ${LESSON}`),
      () => shell(otherDir, `setfattr -n user.x -v y ${LESSON}`),
    ];
    for (const attempt of attempts) await assert.rejects(attempt, /EROFS|Read-only file system/);
  }));

test("a book at its beginning, a hash, a time and an age are mounted", () =>
  withPlace(async ({ pfs, dir, otherDir }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir);
    await writeFile(join(dir, "a.md"), "one");
    const [{ manifest_hash: one }] = [JSON.parse(await pfs("manifest", "my-book", "--json"))];
    await writeFile(join(dir, "a.md"), "two");
    for (const [reference, text] of [
      [one.slice(0, 8), "one"],
      [one, "one"],
      ["1", "one"],
      [new Date().toISOString(), "two"],
      ["0s", "two"],
    ]) {
      await pfs("mount", "my-book", otherDir, "-o", `at=${reference}`);
      assert.equal(await readFile(join(otherDir, "a.md"), "utf8"), text, reference);
      await pfs("umount", otherDir);
    }
    await pfs("mount", "my-book", otherDir, "-o", "at=0");
    assert.equal(await shell(otherDir, "ls"), "");
  }));

test("R2: a large file of the past is verified before it is read, also by a daemon that has never seen it; damaged it is EIO", () =>
  withPlace(async ({ pfs, dir, otherDir, store }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir);
    const large = Buffer.alloc(6_000_000, "0123456789abcdef");
    await writeFile(join(dir, "large.bin"), large);
    await writeFile(join(dir, "large.bin"), "small by now");
    for (const isDamaged of [false, true]) {
      await pfs("stop");
      if (isDamaged)
        await shell(
          store,
          "for f in objects/*/*; do chmod u+w $f; printf X | dd of=$f conv=notrunc status=none; done",
        );
      await pfs("mount", "my-book", otherDir, "-o", "at=1");
      const read = readFile(join(otherDir, "large.bin"));
      if (isDamaged) await assert.rejects(read, /EIO/);
      else assert.ok((await read).equals(large));
    }
  }));

test("a reference that means no state is refused before anything is mounted", () =>
  withPlace(async ({ pfs, run, dir, status }) => {
    await pfs("init", "my-book");
    for (const [reference, said] of [
      ["99", /^pfs: The book my-book has no state 99\.\n {2}Nothing has happened in it yet\.\n$/],
      ["01234567", /no state 01234567\.\n.*once `pfs manifest` has shown it\.\n$/s],
      ["2h", /no state 2h\.\n/],
      ["yesterday", /^pfs: The option at needs a manifest hash .*; "yesterday" is none of these\.\n/],
    ] as const) {
      const { stderr, stdout, code } = await run("mount", "my-book", dir, "-o", `at=${reference}`);
      assert.match(stderr, said);
      assert.deepEqual([stdout, code], ["", reference === "yesterday" ? 2 : 1]);
      assert.equal(await mountState(dir), "none");
    }
    assert.deepEqual((await status()).mounts, []);
  }));

test("R5: user= and at= together mount what that user saw then; pfs show, diff and cat say the same", () =>
  withPlace(async ({ pfs, run, dir, otherDir, top }) => {
    const source = join(top, "source");
    await mkdir(join(source, "d"), { recursive: true });
    for (const name of ["a.md", "b.md", "c.md"]) await writeFile(join(source, "d", name), `base ${name}\n`);
    await pfs("init", "my-book", "--schema", "any");
    await pfs("import", "my-book", source);
    await pfs("mount", "my-book", dir, "-o", "user=ulla,delete=hide");
    await writeFile(join(dir, "d/a.md"), "ulla's\n");
    await rm(join(dir, "d/b.md"));
    const seq = (): Promise<string> => pfs("status", "--json").then((json) => String(JSON.parse(json).seq));
    // What was just removed is in the log once somebody asks for it.
    await pfs("log", "my-book");
    const then = await seq();
    await writeFile(join(dir, "d/a.md"), "later\n");
    await rename(join(dir, "d/c.md"), join(dir, "d/moved.md"));
    await pfs("mount", "my-book", otherDir, "-o", `user=ulla,at=${then}`);
    assert.deepEqual((await readdir(join(otherDir, "d"))).sort(), ["a.md", "c.md"]);
    assert.equal(await readFile(join(otherDir, "d/a.md"), "utf8"), "ulla's\n");
    assert.deepEqual(await readdir(join(otherDir, ".pfs/overlay/d")), ["a.md"]);
    assert.deepEqual((await readdir(join(otherDir, ".pfs/base/d"))).sort(), ["a.md", "b.md", "c.md"]);
    for (const path of ["d/a.md", ".pfs/overlay/d/a.md"])
      await assert.rejects(rm(join(otherDir, path)), { code: "EROFS" });
    assert.equal(await pfs("show", "my-book", then, "d/a.md", "--user", "ulla"), "ulla's\n");
    assert.equal(await pfs("cat", "my-book", "d/a.md", "--user", "ulla", "--at", then), "ulla's\n");
    assert.equal(await pfs("show", "my-book", then, "d/a.md"), "base a.md\n");
    const { code, stderr } = await run("show", "my-book", then, "d/b.md", "--user", "ulla");
    assert.deepEqual([code, /^pfs: There was no d\/b\.md/.test(stderr)], [1, true]);
    const diff = await run("diff", "my-book", then, "--user", "ulla", "--json");
    assert.equal(diff.code, 1);
    assert.deepEqual(
      diff.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line))
        .map(({ path, change }) => `${change} ${path}`),
      ["modified d/a.md", "renamed d/moved.md"],
    );
    await pfs("archive", "my-book", "--user", "ulla", "--at", then, "-o", join(top, "then.zip"));
    await cp(join(otherDir, ".pfs/archive.zip"), join(top, "mounted.zip"));
    assert.ok((await readFile(join(top, "then.zip"))).equals(await readFile(join(top, "mounted.zip"))));
  }));
