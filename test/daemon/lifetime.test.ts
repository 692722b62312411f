// How daemons begin and end: one per store, in the background or here, killed, stopped, with mounts in use.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { appendFile, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { mountState } from "../../mount/kernel/mount-table.ts";
import { eventually, isAlive, LESSON, PFS, PFSD, SAMPLE, withPlace } from "./harness.ts";

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

test("D1: a second daemon on the same store is refused, in one sentence with the first one's pid", () =>
  withPlace(async ({ start, run, store }) => {
    const first = start(PFS, "up");
    await first.until(/^Serving the store /);
    const second = start(PFSD);
    assert.equal(await second.exit, 1);
    assert.equal(second.stderr[0], `pfs: The store ${store} is in use by process ${first.pid}.`);
    const third = await run("up");
    assert.equal(third.code, 1);
    assert.match(third.stderr, new RegExp(`in use by process ${first.pid}\\.`));
    assert.equal(isAlive(first.pid), true);
  }));

test("kill -9, and the next mount clears the stale one: nothing that was saved is lost", () =>
  withPlace(async ({ pfs, dir, status }) => {
    await pfs("import", "my-book", SAMPLE);
    await pfs("mount", "my-book", dir);
    await appendFile(join(dir, LESSON), "saved before the kill\n");
    const { pid } = await status();
    process.kill(Number(pid), "SIGKILL");
    await eventually("the daemon has ended", () => !isAlive(Number(pid)));
    assert.equal(await mountState(dir), "stale");
    assert.equal((await status()).pid, null);
    await pfs("mount", "my-book", dir);
    assert.match(await readFile(join(dir, LESSON), "utf8"), /saved before the kill\n$/);
    assert.notEqual((await status()).pid, pid);
    await pfs("stop");
    assert.equal(await mountState(dir), "none");
    assert.match(await pfs("verify"), /^The store is sound/);
  }));

test("umount clears what a killed daemon has left, without a daemon", () =>
  withPlace(async ({ pfs, run, dir, status }) => {
    await pfs("init", "my-book");
    await pfs("mount", "my-book", dir);
    const { pid } = await status();
    process.kill(Number(pid), "SIGKILL");
    await eventually("the daemon has ended", () => !isAlive(Number(pid)));
    await pfs("umount", dir);
    assert.equal(await mountState(dir), "none");
    const again = await run("umount", dir);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /^pfs: Cannot unmount .*: nothing is mounted there\.\n/);
  }));

test("in the foreground it tells saves and refusals as they happen, and SIGTERM unmounts and ends it in order", () =>
  withPlace(async ({ pfs, start, dir, store }) => {
    await pfs("import", "my-book", SAMPLE);
    const here = start(PFS, "mount", "-f", "my-book", dir, "-o", "agent=alice");
    await here.until(/ mounted +my-book on /);
    await appendFile(join(dir, LESSON), "more\n");
    await here.until(new RegExp(`^\\d\\d:\\d\\d:\\d\\d {2}saved +${LESSON} {2}\\(alice, .+\\)$`));
    await assert.rejects(writeFile(join(dir, "notes.txt"), ""), { code: "EINVAL" });
    await here.until(/^\d\d:\d\d:\d\d {2}refused +notes\.txt {2}\(alice, /);
    await here.until(/SCHEMA_VIOLATION: notes\.txt has no place/);
    here.child.kill("SIGTERM");
    assert.equal(await here.exit, 0);
    assert.equal(await mountState(dir), "none");
    assert.deepEqual(
      (await readdir(store)).filter((name) => /sock|wal|shm/.test(name)),
      [],
    );
    assert.deepEqual(here.stderr, []);
  }));

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

test("mounts asked for at the same time, with no daemon yet, all come to one", () =>
  withPlace(async ({ pfs, run, dir, otherDir, status }) => {
    await pfs("init", "my-book");
    const outcomes = await Promise.all([run("mount", "my-book", dir), run("mount", "my-book", otherDir)]);
    assert.deepEqual(
      outcomes.map(({ code, stderr }) => ({ code, stderr })),
      [
        { code: 0, stderr: "" },
        { code: 0, stderr: "" },
      ],
    );
    assert.equal((await status()).mounts.length, 2);
  }));

test("a mount that fails is explained in one sentence, and leaves no daemon behind that it has started", () =>
  withPlace(async ({ pfs, run, dir, store, status }) => {
    await pfs("init", "my-book");
    const unknown = await run("mount", "no-such-book", dir);
    assert.equal(unknown.code, 1);
    assert.match(
      unknown.stderr,
      /^pfs: There is no book no-such-book in the store .*\n {2}It holds: my-book\.\n$/,
    );
    const nowhere = await run("mount", "my-book", join(dir, "nowhere"));
    assert.equal(nowhere.code, 1);
    assert.match(
      nowhere.stderr,
      /^pfs: Cannot mount .*nowhere: there is no such directory\.\n {2}Make it with /,
    );
    const over = await run("mount", "my-book", join(store, ".."));
    assert.match(over.stderr, /^pfs: Cannot mount .*: the store .* is in it\.\n/);
    assert.equal((await status()).pid, null);
    assert.equal(existsSync(join(store, "pfsd.sock")), false);
  }));

test("a store that is damaged keeps the daemon from starting, and the command says why", () =>
  withPlace(async ({ pfs, run, dir, store }) => {
    await pfs("init", "my-book");
    await writeFile(join(store, "pfs.db"), "garbage\n".repeat(1000));
    const { code, stderr } = await run("mount", "my-book", dir);
    assert.equal(code, 1);
    assert.match(stderr, /^pfs: The store's database .*pfs\.db is damaged: .*\n {2}It was left as it is\. /);
    assert.equal(await readFile(join(store, "pfs.db"), "utf8"), "garbage\n".repeat(1000));
  }));
