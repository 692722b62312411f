// The whole way as nobody, through fusermount3. In a mount namespace of its own, in which /dev/fuse is open to all as
// Debian has it: the machine's own stays as it is.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, cpSync, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { execute, isAlive, LESSON, type Outcome, PFS, SAMPLE, withPlace } from "./harness.ts";

const NOBODY = 65534;
const SETUP = `set -e
mount -t tmpfs -o mode=755 pfs-test "$1"
mknod -m 666 "$1/fuse" c 10 229
mount --bind "$1/fuse" /dev/fuse
echo ready
exec sleep 600`;

test("an ordinary user imports, mounts, saves, reads the log, unmounts and stops", () =>
  withPlace(async ({ top, store, dir, env }) => {
    for (const path of [top, dirname(top)]) if (path.includes("pfs-test-")) chmodSync(path, 0o755);
    const source = join(top, "source");
    cpSync(SAMPLE, source, { recursive: true });
    for (const name of ["devices", "home", "store"]) mkdirSync(join(top, name));
    for (const path of [store, dir, join(top, "home")]) chownSync(path, NOBODY, NOBODY);
    const keeper = spawn("unshare", ["-m", "sh", "-c", SETUP, "sh", join(top, "devices")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exit = once(keeper, "exit");
    try {
      const [said] = await Promise.race([once(keeper.stdout, "data"), exit]);
      assert.equal(String(said), "ready\n", "a mount namespace needs CAP_SYS_ADMIN and CAP_MKNOD");
      const asNobody = [
        ...["-t", String(keeper.pid), "-m", "--"],
        ...["setpriv", `--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups"],
      ];
      const home = { ...env, HOME: join(top, "home"), TMPDIR: join(top, "home") };
      const run = (...words: string[]): Promise<Outcome> =>
        execute("nsenter", [...asNobody, ...words], home, "/");
      const pfs = async (...args: string[]): Promise<string> => {
        const { code, stdout, stderr } = await run(process.execPath, PFS, ...args);
        assert.equal(code, 0, `pfs ${args.join(" ")}: ${stderr}`);
        return stdout;
      };
      await pfs("import", "my-book", source);
      assert.match(await pfs("mount", "my-book", dir), /agent nobody\)\.\n$/);
      const status = JSON.parse(await pfs("status", "--json"));
      assert.equal((await run("sh", "-c", `echo more >> ${dir}/${LESSON}`)).stderr, "");
      assert.match((await run("tail", "-n", "1", join(dir, LESSON))).stdout, /more\n$/);
      assert.match(await pfs("log", join(dir, LESSON)), /update .*\(nobody, sh\)/);
      // Root, too, is kept out of a user's mount unless it is made with allow_other.
      const root = ["-t", String(keeper.pid), "-m", "--", "ls", dir];
      assert.throws(() => execFileSync("nsenter", root, { stdio: "pipe" }), /Permission denied/);
      await pfs("umount", dir);
      assert.equal((await run("ls", dir)).stdout, "");
      await pfs("mount", "my-book", dir, "-o", "agent=alice");
      await pfs("stop");
      assert.equal(isAlive(status.pid), false);
      assert.equal((await run("ls", dir)).stdout, "");
      assert.match(await pfs("verify"), /^The store is sound/);
    } finally {
      keeper.kill("SIGKILL");
      await exit;
    }
  }));
