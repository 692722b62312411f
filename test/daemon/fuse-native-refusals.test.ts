// The transport fuse-native as nobody: it mounts where the other transport does, and where something is missing the user is told
// what, and what to do.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { explainBridge, installCommand } from "../../mount/fuse-native/explain.ts";
import { type Place, withPlace } from "./harness.ts";
import { NOBODY, type OrdinaryUser, withOrdinaryUser } from "./ordinary-user.ts";

const NATIVE = ["--transport", "fuse-native"];

/** Calls `use` with nobody, who has an empty book. */
function withBook(use: (user: OrdinaryUser, place: Place) => Promise<void>): Promise<void> {
  return withPlace(async (place) => {
    const { top, store, dir, env } = place;
    const home = join(top, "home");
    for (const path of [home, store]) mkdirSync(path);
    for (const path of [store, dir, home]) chownSync(path, NOBODY, NOBODY);
    await withOrdinaryUser(
      { top, env: { ...env, HOME: home, TMPDIR: home, PATH: "/usr/bin:/bin" } },
      async (user) => {
        assert.equal((await user.pfs("init", "my-book", "--schema", "any")).stderr, "");
        await use(user, place);
      },
    );
  });
}

test("fuse-native as an ordinary user: it mounts on a directory that holds something, and that shows again", () =>
  withBook(async ({ pfs, run }, { dir }) => {
    writeFileSync(join(dir, "own.txt"), "below\n");
    const mounted = await pfs("mount", "my-book", dir, ...NATIVE);
    assert.equal(mounted.code, 0, mounted.stderr);
    assert.equal((await run("sh", "-c", `echo saved > ${dir}/a.md && ls ${dir}`)).stdout, "a.md\n");
    assert.equal((await pfs("stop")).code, 0);
    assert.equal(readFileSync(join(dir, "own.txt"), "utf8"), "below\n");
    assert.equal((await pfs("cat", "my-book", "a.md")).stdout, "saved\n");
  }));

test("fuse-native as an ordinary user: what is missing is named, with what to do", () =>
  withBook(async ({ pfs, namespace }, { top, dir }) => {
    const asRoot = (...words: string[]): string =>
      execFileSync("nsenter", [...namespace, ...words], { encoding: "utf8" });
    const refused = async (directory: string, ...wanted: RegExp[]): Promise<void> => {
      const { code, stderr } = await pfs("mount", "my-book", directory, ...NATIVE);
      assert.equal(code, 1);
      for (const each of wanted) assert.match(stderr, each);
      assert.doesNotMatch(stderr, /fuse failed/);
    };
    const rootsOwn = join(top, "roots");
    mkdirSync(rootsOwn, { mode: 0o755 });
    await refused(rootsOwn, /user has no write access to mountpoint/, /Mount on a directory that is yours/);

    asRoot("chmod", "600", "/dev/fuse");
    await refused(dir, /\/dev\/fuse is closed to you/, /chmod 666 \/dev\/fuse/);
    asRoot("chmod", "666", "/dev/fuse");

    const file = (name: string, text: string, mode: number): string => {
      writeFileSync(join(top, name), text);
      chmodSync(join(top, name), mode);
      return join(top, name);
    };
    const [fusermount = ""] = execFileSync("readlink", ["-f", "/usr/bin/fusermount"], {
      encoding: "utf8",
    }).split("\n");
    // Without the interpreter that it names a program is not found.
    asRoot("mount", "--bind", file("absent", "#!/nowhere/at-all\n", 0o755), fusermount);
    await refused(dir, /: fusermount is not installed\./, /`apt install fuse3`/);
    asRoot("umount", fusermount);
    asRoot("cp", fusermount, join(top, "plain"));
    asRoot("chmod", "755", join(top, "plain"));
    asRoot("mount", "--bind", join(top, "plain"), fusermount);
    await refused(dir, /mount failed: Operation not permitted/, /fusermount3 must be setuid root/);
    asRoot("umount", fusermount);

    const [, library = ""] = /libfuse\.so\.2 .*=> (\S+)/.exec(asRoot("ldconfig", "-p")) ?? [];
    asRoot("mount", "--bind", file("empty", "", 0o644), library);
    await refused(dir, /libfuse 2 is not installed/, /`apt install libfuse2`/);
    asRoot("umount", library);

    assert.equal((await pfs("mount", "my-book", dir, ...NATIVE)).code, 0);
    assert.equal((await pfs("stop")).code, 0);
  }));

test("fuse-native: the command that installs it is for where pfs is installed", () => {
  const module = "node_modules/pfs/dist/mount/fuse-native/explain.js";
  assert.equal(installCommand(`/opt/site/${module}`), "npm install --prefix /opt/site fuse-native@2");
  assert.equal(
    installCommand(`/home/ann b/.local/lib/${module}`),
    "npm install -g --prefix '/home/ann b/.local' fuse-native@2",
  );
  assert.equal(installCommand("/src/pfs/mount/fuse-native/explain.ts"), "npm ci");
});

test("fuse-native: of a process that breaks off the error is told, not the last line of its stack", () => {
  const complaints =
    "/x/load.js:60\n    throw new Error(x)\n\nError: no room\n    at load (/x/load.js:60:9)\n\nNode.js v24\n";
  assert.match(
    explainBridge("/d", { line: undefined, complaints }).message,
    /Cannot mount \/d: Error: no room\.$/,
  );
  assert.match(explainBridge("/d", { line: "no build", complaints: "" }).message, /: no build\.$/);
});
