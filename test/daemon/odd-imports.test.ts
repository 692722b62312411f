// Importing directories that are not what a book is made of, or that change meanwhile: refused as a whole with every
// reason, or wholly there.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { withPlace } from "./harness.ts";
import { withOrdinaryUser } from "./ordinary-user.ts";

/** One of each kind that a book cannot hold. */
const ODD = `
import os, socket, sys
os.chdir(sys.argv[1]); open("a.md", "w").write("a")
os.mkfifo("fifo"); socket.socket(socket.AF_UNIX).bind("socket"); os.mknod("device", 0o20600, os.makedev(1, 3))
open(b"name-\\xff", "w").write("x"); os.mkdir(b"dir-\\xfe"); open(b"dir-\\xfe/x", "w").write("x")
`;

test("an import names everything that a book cannot hold, without waiting for any of it, and imports nothing", () =>
  withPlace(async ({ run, pfs, top, dir }) => {
    const source = join(top, "source");
    mkdirSync(source);
    execFileSync("python3", ["-c", ODD, source]);
    await pfs("init", "my-book", "--schema", "any");
    for (const when of ["without a daemon", "with a daemon"]) {
      const { code, stderr } = await run("import", "my-book", source);
      assert.equal(code, 1, when);
      for (const words of [
        / fifo is a fifo, |\/fifo is a fifo, /,
        /\/socket is a socket, /,
        /\/device is a device, /,
        /holds a name that is not UTF-8: "name-/,
        /holds a name that is not UTF-8: "dir-/,
        /\n {2}Nothing was imported\./,
      ]) {
        assert.match(stderr, words);
      }
      assert.equal(await pfs("ls", "my-book"), "");
      if (when === "without a daemon") await pfs("mount", "my-book", dir);
    }
  }));

test("files and directories that an ordinary user may not read are named, and nothing is imported", () =>
  withPlace(async ({ top, store, env }) => {
    const source = join(top, "source");
    mkdirSync(source);
    for (const name of ["a.md", "secret.md"]) writeFileSync(join(source, name), name);
    mkdirSync(join(source, "closed"));
    chmodSync(join(source, "secret.md"), 0o600);
    chmodSync(join(source, "closed"), 0o700);
    mkdirSync(store);
    chmodSync(store, 0o777);
    const theirs = { ...env, PFS_STORE: join(store, "theirs"), HOME: store };
    await withOrdinaryUser({ top, env: theirs }, async ({ pfs }) => {
      const { code, stderr } = await pfs("import", "my-book", source);
      assert.equal(code, 1);
      assert.match(stderr, /secret\.md .*\n/);
      assert.match(stderr, /closed .*\n/);
      assert.match(stderr, /Nothing was imported\./);
      const below = await pfs("import", "my-book", join(source, "closed", "below"));
      assert.equal(below.code, 1);
      assert.match(
        below.stderr,
        /closed\/below cannot be read by the user nobody: EACCES\.\n.*let that one reach/,
      );
      symlinkSync("round", join(source, "round"));
      const round = await pfs("import", "my-book", join(source, "round"));
      assert.equal(round.code, 2);
      assert.match(round.stderr, /^pfs: \S+round cannot be read: ELOOP\.\n$/);
    });
  }));

test("symlinks are imported as links, dangling and looping ones too, and none is followed", () =>
  withPlace(async ({ pfs, top, dir }) => {
    const source = join(top, "source");
    mkdirSync(source);
    const links = { dangling: "nowhere", loop: "loop", root: "/", up: "../../../etc/passwd", self: "." };
    for (const [name, target] of Object.entries(links)) symlinkSync(target, join(source, name));
    assert.match(await pfs("import", "my-book", source), /its schema is any, because /);
    await pfs("mount", "my-book", dir);
    for (const [name, target] of Object.entries(links)) {
      assert.equal(execFileSync("readlink", [join(dir, name)], { encoding: "utf8" }), `${target}\n`);
    }
    await pfs("verify");
  }));

/** Grows, shrinks and rewrites a file until it is killed. */
const RESTLESS = `
import os, sys
path, number = sys.argv[1], 0
print("ready", flush=True)
while True:
    number += 1
    with open(path, "r+b") as file: file.truncate(number % 7 * 100_000); file.write(b"%d " % number * (number % 5 * 30_000))
`;

test("R2: a file that changes while it is imported is imported as some bytes with their own hash, or the import says so", () =>
  withPlace(async ({ run, pfs, top }) => {
    const source = join(top, "source");
    mkdirSync(source);
    for (let index = 0; index < 50; index++) writeFileSync(join(source, `${index}.md`), `${index}`);
    const restless = join(source, "restless.md");
    writeFileSync(restless, "");
    await pfs("init", "my-book", "--schema", "any");
    const child = spawn("python3", ["-c", RESTLESS, restless], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await once(child.stdout, "data");
      for (let round = 0; round < 5; round++) {
        const { code, stderr } = await run("import", "my-book", source);
        if (code !== 0) assert.match(stderr, /^pfs: .*restless\.md/, stderr);
      }
    } finally {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
    assert.match(await pfs("verify"), /^The store is sound \(0 warnings\)\.\n$/);
    await pfs("import", "my-book", source);
    const copy = join(top, "copy");
    await pfs("export", "my-book", copy);
    assert.ok(readFileSync(join(copy, "restless.md")).equals(readFileSync(restless)));
  }));

test("a mount is imported into its own book: nothing changes, and below another directory a copy comes to be", () =>
  withPlace(async ({ pfs, dir, top }) => {
    const source = join(top, "source");
    mkdirSync(source);
    for (const name of ["a.md", "b.md"]) writeFileSync(join(source, name), name);
    writeFileSync(join(source, "large.bin"), Buffer.alloc(300_000, 7));
    await pfs("import", "my-book", source, "--schema", "any");
    await pfs("mount", "my-book", dir);
    assert.match(await pfs("import", "my-book", dir), /: 0 created, 0 updated, 3 unchanged\.\n/);
    assert.match(
      await pfs("import", "my-book", dir, "--into", "copy"),
      /: 3 created, 0 updated, 0 unchanged\.\n/,
    );
    assert.deepEqual((await readdir(join(dir, "copy"))).sort(), ["a.md", "b.md", "large.bin"]);
    assert.equal(await readFile(join(dir, "copy/a.md"), "utf8"), "a.md");
    await pfs("verify");
  }));
