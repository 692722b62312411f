// Mounts that somebody uses while they are to end, and mounts that somebody else ends.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { stat, symlink } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { mountState } from "../../mount/kernel/mount-table.ts";
import { eventually, isAlive, LESSON, PFS, SAMPLE, withPlace } from "../daemon/harness.ts";
import { DROP_MOUNT_COPIES } from "../mount-copies.ts";

const CONTAINER = `${DROP_MOUNT_COPIES}
exec sleep 60`;

/** Runs `use` while a program has its working directory in `dir`. */
async function whileInUse(dir: string, use: (pid: number) => Promise<void>): Promise<void> {
  const user = spawn("sleep", ["60"], { cwd: dir, stdio: "ignore" });
  const exit = once(user, "exit");
  try {
    await use(user.pid as number);
  } finally {
    user.kill("SIGKILL");
    await exit;
  }
}

test("a mount in use is not unmounted, and who uses it is said; lazily it is", () =>
  withPlace(async ({ pfs, run, dir }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    await whileInUse(dir, async (pid) => {
      const refused = await run("umount", dir);
      assert.equal(refused.code, 1);
      assert.match(refused.stderr, new RegExp(`: it is in use by sleep \\(process ${pid}\\)\\.\n`));
      await stat(join(dir, LESSON));
      await pfs("umount", "--lazy", dir);
      assert.equal(await mountState(dir), "none");
    });
    await pfs("mount", "my-book", dir);
    await stat(join(dir, LESSON));
  }));

test("no book is mounted inside another, where it would go with the name that it is on", () =>
  withPlace(async ({ pfs, run, dir, top }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    await symlink(join(dir, "content"), join(top, "link"));
    for (const inner of [join(dir, "content"), join(top, "link")]) {
      const { code, stderr } = await run("mount", "my-book", inner);
      assert.deepEqual(
        [code, stderr.includes(`: it is in a book, which is mounted at ${dir}.\n`)],
        [1, true],
        stderr,
      );
    }
    await stat(join(dir, LESSON));
    await pfs("umount", dir);
    assert.equal(await mountState(dir), "none");
  }));

test("stop waits for a mount in use, says who uses it, and ends all the same", () =>
  withPlace(async ({ pfs, run, dir, status }) => {
    await pfs("init", "my-book");
    await pfs("mount", "my-book", dir);
    const { pid: daemon } = await status();
    await whileInUse(dir, async (pid) => {
      const { code, stderr } = await run("stop");
      assert.equal(code, 0);
      assert.match(stderr, new RegExp(`in use by sleep \\(process ${pid}\\)`));
      assert.equal(isAlive(Number(daemon)), false);
    });
    assert.equal(await mountState(dir), "none");
  }));

test("a second signal does not wait for whoever uses a mount", () =>
  withPlace(async ({ pfs, start, dir }) => {
    await pfs("init", "my-book");
    const here = start(PFS, "mount", "-f", "my-book", dir);
    await here.until(/ mounted +my-book on /);
    await whileInUse(dir, async () => {
      const startMs = performance.now();
      here.child.kill("SIGINT");
      await here.until(/in use by sleep/);
      await new Promise((resolve) => setTimeout(resolve, 600));
      here.child.kill("SIGINT");
      assert.equal(await here.exit, 0);
      assert.ok(performance.now() - startMs < 5000, "it waited as if there had been one signal only");
    });
    assert.equal(await mountState(dir), "none");
  }));

test("somebody else's umount is noticed, and the directory can be mounted again", () =>
  withPlace(async ({ pfs, dir, status }) => {
    await pfs("init", "my-book");
    await pfs("mount", "my-book", dir);
    const umount = spawn("umount", [dir], { stdio: "inherit" });
    assert.deepEqual(await once(umount, "exit"), [0, null]);
    await eventually("the mount is gone from the status", async () => (await status()).mounts.length === 0);
    await pfs("mount", "my-book", dir);
    assert.equal((await status()).mounts.length, 1);
  }));

test("a mount that a container has a copy of is unmounted here; that it goes on elsewhere is said, and stop ends it all the same", () =>
  withPlace(async ({ pfs, run, dir, status }) => {
    await pfs("init", "my-book");
    await pfs("mount", "my-book", dir);
    const { pid } = await status();
    const container = spawn("unshare", ["--mount", "sh", "-c", CONTAINER], { stdio: "ignore" });
    const exit = once(container, "exit");
    try {
      const copied = (): boolean => readFileSync(`/proc/${container.pid}/comm`, "utf8") === "sleep\n";
      await eventually("it has mounts of its own", copied);
      const { code, stderr } = await run("umount", dir);
      assert.equal(code, 1);
      assert.match(
        stderr,
        /^pfs: .* is unmounted here and goes on elsewhere: a container .*\n {2}It ends with that; /,
      );
      assert.equal(await mountState(dir), "none");
      const stopped = await run("stop");
      assert.equal(stopped.code, 0);
      assert.match(stopped.stderr, /^pfs: .* goes on elsewhere: [^\n]* Waiting for it\.\n$/);
      assert.equal(isAlive(Number(pid)), false);
    } finally {
      container.kill("SIGKILL");
      await exit;
    }
  }));
