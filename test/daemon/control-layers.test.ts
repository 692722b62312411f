// `.pfs/` on a user's mount: the base beneath the overlay, and the conflicts of that layer only (R5).

import assert from "node:assert/strict";
import { mkdir, readdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { eventually, execute, withPlace } from "./harness.ts";

/** Whoever is writing a file keeps it from being reverted. */
const UNSAVED = `
import errno, os
fd = os.open("d/a.md", os.O_WRONLY | os.O_TRUNC)
os.write(fd, b"unsaved\\n")
try: os.unlink(".pfs/overlay/d/a.md")
except OSError as error: assert error.errno == errno.ESTALE, error
else: raise AssertionError("reverted")
os.close(fd)
`;

test("R5: .pfs/base on a user's mount is the book without the user's changes, as it is now, and cannot be written", () =>
  withPlace(async ({ pfs, top, dir, otherDir }) => {
    const source = join(top, "source");
    await mkdir(join(source, "d/empty"), { recursive: true });
    const large = Buffer.alloc(300_000, "large\n");
    await writeFile(join(source, "d/a.md"), "base\n");
    await writeFile(join(source, "d/large.bin"), large);
    await symlink("a.md", join(source, "d/link"));
    await pfs("init", "my-book", "--schema", "any");
    await pfs("import", "my-book", source);
    await pfs("mount", "my-book", dir, "-o", "agent=ulla,user=ulla");
    await pfs("mount", "my-book", otherDir, "-o", "agent=bob");
    const sh = (script: string, cwd = dir): Promise<string> => shell(script, cwd);
    await sh("echo mine > d/a.md; echo new > d/new.md; echo x > d/a.md~; mkdir .git");
    assert.equal(await readFile(join(dir, ".pfs/base/d/a.md"), "utf8"), "base\n");
    assert.deepEqual(await readFile(join(dir, ".pfs/base/d/large.bin")), large);
    assert.equal((await stat(join(dir, ".pfs/base/d/large.bin"))).size, large.length);
    assert.deepEqual((await readdir(join(dir, ".pfs/base/d"))).sort(), [
      "a.md",
      "empty",
      "large.bin",
      "link",
    ]);
    assert.equal(await sh("readlink .pfs/base/d/link; cat .pfs/base/d/link"), "a.md\nbase\n");
    await sh(`echo scratch > d/b.md~; mkdir .git; echo later > d/a.md; echo x > d/later.md`, otherDir);
    assert.equal(await readFile(join(dir, ".pfs/base/d/a.md"), "utf8"), "later\n");
    assert.deepEqual(
      await sh("cd .pfs/base && find . | sort && cp -r . ../../../copy && diff -r . ../../../copy"),
      "./d\n./d/a.md\n./d/empty\n./d/large.bin\n./d/later.md\n./d/link\n".replace(/^/, ".\n"),
    );
    assert.equal(await sh("cat d/a.md"), "mine\n");
    await sh(
      "! touch .pfs/base/d/x && ! rm .pfs/base/d/a.md && ! rmdir .pfs/base/d/empty && ! mv .pfs/base/d/a.md x",
    );
    assert.match(await sh("cat .pfs/README"), /^base {10}the book without/m);
    assert.doesNotMatch(await sh("cat .pfs/README; ls .pfs", otherDir), /^base/m);
  }));

test("W2, R5: a conflict in a user's overlay shows on mounts of that user only; resolving leaves the base as it is", () =>
  withPlace(async ({ pfs, top, dir, otherDir, start }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", otherDir, "-o", "agent=bob");
    await writeFile(join(otherDir, "a.md"), "1\n2\n3\n");
    await pfs("mount", "my-book", dir, "-o", "agent=ulla,user=ulla");
    const script = join(top, "writer.js");
    await writeFile(
      script,
      `const fs = require("node:fs"); const fd = fs.openSync(process.argv[2], "r+"); fs.writeSync(fd, "one\\n2\\n3\\n", 0);
       process.on("SIGUSR1", () => { try { fs.closeSync(fd); console.log("saved"); }
       catch (error) { console.log(error.code ?? error.errno); } process.exit(); });
       console.log("changed"); setInterval(() => {}, 1000);`,
    );
    const writer = start(script, join(dir, "a.md"));
    await writer.until(/^changed$/);
    await writeFile(join(otherDir, "a.md"), "1\n2\nthree\n");
    writer.child.kill("SIGUSR1");
    await writer.until(/ESTALE|-116$/);
    assert.deepEqual(await readdir(join(dir, ".pfs/conflicts")), ["1"]);
    assert.deepEqual(await readdir(join(otherDir, ".pfs/conflicts")), []);
    await pfs("resolve", "1", "--merged", "--agent", "ulla");
    assert.equal(await readFile(join(dir, "a.md"), "utf8"), "one\n2\nthree\n");
    assert.equal(await readFile(join(otherDir, "a.md"), "utf8"), "1\n2\nthree\n");
    assert.deepEqual(await readdir(join(dir, ".pfs/conflicts")), []);
    assert.match(await pfs("verify"), /sound \(0 warnings\)/);
  }));

test("R5, FR-019: .pfs/overlay is what the user has alone; rm in it reverts a file, rm -r all below a directory", () =>
  withPlace(async ({ pfs, top, dir, otherDir }) => {
    const source = join(top, "source");
    await mkdir(join(source, "d/sub"), { recursive: true });
    for (const name of ["a.md", "b.md", "sub/c.md", "sub/e.md"])
      await writeFile(join(source, "d", name), "base\n");
    await pfs("init", "my-book", "--schema", "any");
    await pfs("import", "my-book", source);
    await pfs("mount", "my-book", dir, "-o", "agent=ulla,user=ulla,delete=hide");
    await pfs("mount", "my-book", otherDir, "-o", "agent=bob");
    const sh = (script: string, cwd = dir): Promise<string> => shell(script, cwd);
    const files = "find .pfs/overlay -mindepth 1 | sort";
    assert.equal(await sh(files), "");
    await sh(
      "echo mine > d/a.md; echo mine > d/sub/c.md; mkdir -p d/new/empty; echo new > d/new/n.md; rm d/sub/e.md",
    );
    await sh("echo x > d/a.md~; mkdir .git; touch .git/x");
    const own = ["d", "d/a.md", "d/new", "d/new/empty", "d/new/n.md", "d/sub", "d/sub/c.md"];
    assert.equal(await sh(files), own.map((path) => `.pfs/overlay/${path}\n`).join(""));
    assert.equal(await sh("cd .pfs/overlay/d && cat a.md new/n.md sub/c.md"), "mine\nnew\nmine\n");
    await sh("cp -r .pfs/overlay ../copy && diff -r .pfs/overlay ../copy && rm -r ../copy");
    await sh("! cat .pfs/overlay/d/b.md 2>/dev/null && ! ls .pfs/overlay/d/a.md~ 2>/dev/null");
    await sh("! (echo x > .pfs/overlay/d/a.md) 2>/dev/null && ! rmdir .pfs/overlay/d 2>/dev/null");
    assert.equal(await sh("cat d/a.md"), "mine\n");

    await sh("rm .pfs/overlay/d/a.md");
    assert.equal(await sh("cat d/a.md; ls .pfs/overlay/d"), "base\nnew\nsub\n");
    await sh("rm -r .pfs/overlay/d");
    assert.equal(await sh("cd d && ls && cat sub/c.md sub/e.md"), "a.md\na.md~\nb.md\nsub\nbase\nbase\n");
    assert.equal(await sh(files), "");
    const rows = (await pfs("log", "my-book", "--user", "ulla", "--json")).trim().split("\n");
    assert.deepEqual(
      rows
        .map((row) => JSON.parse(row))
        .filter(({ operation }) => operation === "revert")
        .map(({ path, agent_id, command }) => [path, agent_id, command])
        .sort(),
      [
        ["d/a.md", "ulla", "rm"],
        ["d/new/n.md", "ulla", "rm"],
        ["d/sub/c.md", "ulla", "rm"],
        ["d/sub/e.md", "ulla", "rm"],
      ],
    );
    assert.doesNotMatch(await sh("ls .pfs; cat .pfs/README", otherDir), /^overlay( |$)/m);
    assert.match(await pfs("verify"), /sound \(0 warnings\)/);

    await sh("echo again > d/a.md");
    assert.equal(await sh(files), ".pfs/overlay/d\n.pfs/overlay/d/a.md\n");
    await writeFile(join(top, "unsaved.py"), UNSAVED);
    await sh("python3 ../unsaved.py");
    assert.equal(await sh("cat d/a.md"), "unsaved\n");
    assert.match(
      await sh("tail -n 1 .pfs/errors.jsonl"),
      /"code":"CONFLICT","path":"d\/a.md".*has not saved it yet/,
    );
  }));

test("FR-019: rm and rm -r in .pfs/overlay bring back, at the base's path, what is in a directory that the user moved", () =>
  withPlace(async ({ pfs, dir }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir, "-o", "agent=bob");
    await shell("mkdir -p d/sub; echo base | tee d/a.md d/b.md d/sub/c.md", dir);
    await pfs("umount", dir);
    await pfs("mount", "my-book", dir, "-o", "user=ulla,delete=hide");
    const view = "find . -path ./.pfs -prune -o -type f -print | sort";
    await shell("mv d e; echo mine > e/a.md; echo own > e/own.md; cat e/*.md e/sub/c.md", dir);
    await shell("rm .pfs/overlay/e/a.md", dir);
    assert.equal(
      await shell(`${view}; cat d/a.md`, dir),
      "./d/a.md\n./e/b.md\n./e/own.md\n./e/sub/c.md\nbase\n",
    );
    assert.equal(
      await shell("ls d e .pfs/overlay", dir),
      ".pfs/overlay:\ne\n\nd:\na.md\n\ne:\nb.md\nown.md\nsub\n",
    );
    await shell("rm -r .pfs/overlay/e", dir);
    // The kernel hears a moment later that what it has listed is gone.
    await eventually("the base's files alone are there", async () => {
      const { stdout } = await execute("bash", ["-c", `${view}; ls .pfs/overlay`], undefined, dir);
      return stdout === "./d/a.md\n./d/b.md\n./d/sub/c.md\n";
    });
    assert.match(await pfs("verify"), /sound \(0 warnings\)/);
  }));

test("FR-019: rm -r in .pfs/overlay takes back a thousand files, however many names a directory has", () =>
  withPlace(async ({ pfs, dir }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", dir, "-o", "user=ulla");
    await shell("mkdir d e; cd d; for n in $(seq 1000); do echo $n > $n.md; done; echo x > ../e/x.md", dir);
    assert.equal(
      await shell("ls .pfs/overlay/d | wc -l; rm -r .pfs/overlay/d; ls . .pfs/overlay", dir),
      "1000\n.:\ne\n\n.pfs/overlay:\ne\n",
    );
  }));

test("R5: .pfs/overlays on mounts of the base holds each user's layer alone, read-only, for whoever mounted", () =>
  withPlace(async ({ pfs, dir, otherDir }) => {
    await pfs("init", "my-book", "--schema", "any");
    await pfs("mount", "my-book", otherDir, "-o", "agent=bob");
    await shell("mkdir d; echo base > d/a.md; echo base > d/b.md; ls .pfs/overlays", otherDir);
    for (const user of ["ulla", "tom"]) {
      await pfs("mount", "my-book", dir, "-o", `user=${user},agent=${user}`);
      await shell(`echo ${user} > d/a.md; echo ${user} > d/${user}.md`, dir);
      assert.doesNotMatch(await shell("ls .pfs; cat .pfs/README", dir), /^overlays/m);
      await pfs("umount", dir);
    }
    assert.equal(
      await shell("cd .pfs/overlays && find . -type f | sort | xargs grep .", otherDir),
      "./tom/d/a.md:tom\n./tom/d/tom.md:tom\n./ulla/d/a.md:ulla\n./ulla/d/ulla.md:ulla\n",
    );
    assert.equal((await stat(join(otherDir, ".pfs/overlays"))).mode & 0o777, 0o500);
    await shell(
      "! rm .pfs/overlays/tom/d/a.md && ! rmdir .pfs/overlays/tom && ! ls .pfs/overlays/nobody",
      otherDir,
    );
    await pfs("revert", "my-book", "--user", "tom", "--all");
    assert.equal(await shell("ls .pfs/overlays; cat d/a.md", otherDir), "ulla\nbase\n");
    assert.match(await shell("cat .pfs/README", otherDir), /^overlays {6}<user>\//m);
  }));

async function shell(script: string, cwd: string): Promise<string> {
  const words = ["-euo", "pipefail", "-c", script];
  const { code, stdout, stderr } = await execute("bash", words, undefined, cwd);
  assert.equal(code, 0, `${script}: ${stderr}`);
  return stdout;
}
