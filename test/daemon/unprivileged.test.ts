// The whole way as nobody, through fusermount3.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chownSync, cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { isAlive, LESSON, SAMPLE, withPlace } from "./harness.ts";
import { NOBODY, withOrdinaryUser } from "./ordinary-user.ts";

test("an ordinary user imports, mounts, saves, reads the log, unmounts and stops", () =>
  withPlace(async ({ top, store, dir, env }) => {
    const source = join(top, "source");
    cpSync(SAMPLE, source, { recursive: true });
    const home = join(top, "home");
    for (const path of [home, store]) mkdirSync(path);
    for (const path of [store, dir, home]) chownSync(path, NOBODY, NOBODY);
    await withOrdinaryUser({ top, env: { ...env, HOME: home, TMPDIR: home } }, async (user) => {
      const { run, namespace } = user;
      const pfs = async (...args: string[]): Promise<string> => {
        const { code, stdout, stderr } = await user.pfs(...args);
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
      const asRoot = [...namespace, "ls", dir];
      assert.throws(() => execFileSync("nsenter", asRoot, { stdio: "pipe" }), /Permission denied/);
      await pfs("umount", dir);
      assert.equal((await run("ls", dir)).stdout, "");
      await pfs("mount", "my-book", dir, "-o", "agent=alice");
      await pfs("stop");
      assert.equal(isAlive(status.pid), false);
      assert.equal((await run("ls", dir)).stdout, "");
      assert.match(await pfs("verify"), /^The store is sound/);
    });
  }));
